// A settings file of ours in the words of Dovecot 2.4; see native_text.h.
//
// Must never print what Dovecot would read as something else: a value with any character that means
// something to it stands in quotes.
#include "native_text.h"

#include "conf_file.h"
#include "settings.h"
#include "text.h"

#include <algorithm>

namespace proxymap {

namespace {

bool is_plain(char c)
{
    return is_alnum(c) || std::string_view(" ./:_@+=?,*[]!-").find(c) != std::string_view::npos;
}

// In quotes a backslash takes the next character as it is (config-parser.c).
std::string format_value(const std::string &value)
{
    if (std::all_of(value.begin(), value.end(), is_plain) && !value.starts_with(' '))
        return value;
    std::string quoted = "\"";
    for (char c : value) {
        if (c == '"' || c == '\\')
            quoted += '\\';
        quoted += c;
    }
    return quoted + '"';
}

std::string format_entries(const std::vector<Conf_entry> &entries, const std::string &prefix)
{
    std::string text;
    for (const Conf_entry &entry : entries)
        text += "  " + prefix + entry.name + " = " + format_value(entry.value) + "\n";
    return text;
}

} // namespace

Result<std::string> format_native_settings(std::string_view text, const std::string &path)
{
    Result<Conf_section> file = parse_conf(text, path);
    if (!file)
        return file.error();
    if (Result<Settings> settings = make_settings(*file, path); !settings)
        return settings.error();
    std::string native;
    for (const Conf_section &section : file->sections)
        native += "proxymap_" + section.type + " " + section.name + " {\n" +
                  format_entries(section.entries, "") + "}\n";
    return native + "passdb proxymap {\n" + format_entries(file->entries, "proxymap_") + "}\n";
}

} // namespace proxymap
