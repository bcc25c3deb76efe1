// See stored_value.h.
#include "stored_value.h"

#include <algorithm>
#include <utility>

namespace proxymap {

namespace {

constexpr std::string_view seal_start = " seal=";
constexpr std::string_view tombstone_end = " deleted pos=";

std::string tombstone_start(Kind kind, std::string_view name)
{
    return format_record({kind, std::string(name), {}, {}}).append(tombstone_end);
}

// Nothing: it is no tombstone of that record.
std::optional<Stored_version> parse_tombstone(std::string_view line, Kind kind,
                                              std::string_view name)
{
    const auto start = tombstone_start(kind, name);
    if (!line.starts_with(start)) {
        return std::nullopt;
    }
    const auto signed_end = std::min(line.find(' ', start.size()), line.size());
    const auto position = parse_position(line.substr(start.size(), signed_end - start.size()));
    if (!position || !position->known()) {
        return std::nullopt;
    }
    auto seal = line.substr(signed_end);
    if (!seal.empty()) {
        if (!seal.starts_with(seal_start) || seal.size() == seal_start.size() ||
            seal.find_first_of(" \t\"", seal_start.size()) != std::string_view::npos) {
            return std::nullopt;
        }
        seal.remove_prefix(seal_start.size());
    }
    return Stored_version{
        {kind, std::string(name), {}, *position}, true, seal, line.substr(0, signed_end)};
}

Result<Stored_version> parse_line(std::string_view line, Kind kind, std::string_view name,
                                  Key_case key_case)
{
    auto stored = parse_stored_record(line, key_case);
    if (stored) {
        auto &[record, seal, signed_text] = *stored;
        if (record.kind != kind || record.name != name) {
            return Error{"it is another one's"};
        }
        return Stored_version{std::move(record), false, seal, signed_text};
    }
    // Records are what is nearly always there, so they are tried first.
    if (auto tombstone = parse_tombstone(line, kind, name)) {
        return std::move(*tombstone);
    }
    return stored.error();
}

} // namespace

Result<Stored_value> parse_stored_value(std::string_view text, Kind kind, std::string_view name,
                                        Key_case key_case)
{
    const auto newline = text.find('\n');
    auto first = parse_line(text.substr(0, newline), kind, name, key_case);
    if (!first) {
        return first.error();
    }
    Stored_value value{std::move(*first), {}};
    if (newline == std::string_view::npos) {
        return value;
    }
    // A third line is a control character in the second.
    auto second = parse_line(text.substr(newline + 1), kind, name, key_case);
    if (!second) {
        return Error{"its second version: " + second.error().message};
    }
    const auto &old_position = value.first.record.position;
    const auto &new_position = second->record.position;
    if (old_position.table != new_position.table || !old_position.older_than(new_position)) {
        return Error{"its second version is not newer than its first"};
    }
    value.second = std::move(*second);
    return value;
}

Result<Stored_version *> choose_version(Stored_value &value, const Position *marker)
{
    if (!value.second) {
        return &value.first;
    }
    if (marker == nullptr) {
        return Error{"it stands in two versions, and no marker says which is in force"};
    }
    const auto &old_position = value.first.record.position;
    const auto &new_position = value.second->record.position;
    if (marker->table != new_position.table) {
        return Error{"it stands in two versions, and the marker is of another table"};
    }
    if (marker->older_than(old_position)) {
        return Error{"both of its versions are newer than the marker"};
    }
    return marker->older_than(new_position) ? &value.first : &*value.second;
}

std::string make_tombstone(std::string_view name, const Position &position)
{
    return std::string(name).append(tombstone_end) + format_position(position);
}

// A blank inside a name is in quotes.
std::string_view stored_name(std::string_view text)
{
    bool quoted = false;
    std::size_t blanks = 0;
    for (std::size_t i = 0; i < text.size(); i++) {
        if (quoted && text[i] == '\\') {
            i++;
        } else if (text[i] == '"') {
            quoted = !quoted;
        } else if (text[i] == ' ' && !quoted && ++blanks == 2) {
            return text.substr(0, i);
        }
    }
    return text;
}

} // namespace proxymap
