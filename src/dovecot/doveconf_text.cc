// Reads what doveconf(1) prints; see doveconf_text.h.
#include "doveconf_text.h"

#include <algorithm>

namespace proxymap {

namespace {

constexpr std::string_view blanks = " \t\r";

std::string_view trim(std::string_view text)
{
    const std::size_t first = text.find_first_not_of(blanks);
    if (first == std::string_view::npos)
        return {};
    return text.substr(first, text.find_last_not_of(blanks) - first + 1);
}

// 2.4 quotes what could be taken for something else.
std::string unquote(std::string_view value)
{
    if (value.size() < 2 || value.front() != '"' || value.back() != '"')
        return std::string(value);
    std::string text;
    for (std::size_t i = 1; i + 1 < value.size(); i++) {
        if (value[i] == '\\' && i + 2 < value.size())
            i++;
        text += value[i];
    }
    return text;
}

// Takes lines off the text up to the end of the block.
void read_block(std::string_view &text, Doveconf_block *block)
{
    while (!text.empty()) {
        const std::string_view whole = text.substr(0, text.find('\n'));
        text.remove_prefix(std::min(whole.size() + 1, text.size()));
        const std::string_view line = trim(whole);
        if (line == "}")
            return;
        if (line.empty() || line.front() == '#')
            continue;
        const std::size_t equals = line.find('=');
        if (line.ends_with('{') &&
            (equals == std::string_view::npos || trim(line.substr(equals + 1)) != "{")) {
            const std::string_view head = trim(line.substr(0, line.size() - 1));
            const std::size_t blank = std::min(head.find_first_of(blanks), head.size());
            Doveconf_block &inner = block->blocks.emplace_back();
            inner.type = head.substr(0, blank);
            inner.name = unquote(trim(head.substr(blank)));
            read_block(text, &inner);
        } else if (equals != std::string_view::npos) {
            block->settings.emplace_back(trim(line.substr(0, equals)),
                                         unquote(trim(line.substr(equals + 1))));
        }
    }
}

} // namespace

std::string Doveconf_block::value(std::string_view setting) const
{
    const auto found = std::find_if(settings.begin(), settings.end(),
                                    [&](const auto &entry) { return entry.first == setting; });
    return found == settings.end() ? "" : found->second;
}

const Doveconf_block *Doveconf_block::find(std::string_view wanted_type,
                                           std::string_view wanted_name) const
{
    const auto found = std::find_if(blocks.begin(), blocks.end(), [&](const Doveconf_block &block) {
        return block.type == wanted_type && block.name == wanted_name;
    });
    return found == blocks.end() ? nullptr : &*found;
}

Doveconf_block with_protocol_block(const Doveconf_block &all, std::string_view protocol)
{
    Doveconf_block merged = all;
    if (const Doveconf_block *own = all.find("protocol", protocol)) {
        merged.settings.insert(merged.settings.begin(), own->settings.begin(), own->settings.end());
        merged.blocks.insert(merged.blocks.end(), own->blocks.begin(), own->blocks.end());
    }
    return merged;
}

Doveconf_block parse_doveconf(std::string_view text)
{
    Doveconf_block all;
    while (!text.empty()) // a closing brace too many ends nothing
        read_block(text, &all);
    return all;
}

} // namespace proxymap
