// Reads Dovecot's own settings syntax: `name = value`, `# comment`, `section NAME { ... }`.
// Knows no setting; those are in settings.h.
#pragma once

#include "result.h"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace proxymap {

struct Conf_entry {
    std::string name;
    std::string value; // blanks trimmed, one pair of surrounding quotes removed
    unsigned line = 0; // from 1
};

struct Conf_section {
    std::string type; // tls_policy; empty for the file itself
    std::string name;
    unsigned line = 0;
    std::vector<Conf_entry> entries;
    std::vector<Conf_section> sections; // one level deep only

    const Conf_entry *find(std::string_view wanted) const; // null when not given
};

// path is for the error only: "path:line: ...". A setting given twice in one section, and two
// sections of one type and name, are errors. No error quotes a value: it may be a password.
Result<Conf_section> parse_conf(std::string_view text, const std::string &path);

// "path:line: what"
Error conf_error(const std::string &path, unsigned line, const std::string &what);

// What a section, and whatever else an admin names in these files, may be called.
bool is_conf_name(std::string_view name); // [A-Za-z0-9._-], 1 to 64 bytes

// The words of a value that is a list: separated by blanks. Views into it.
std::vector<std::string_view> split_words(std::string_view value);

// secret: refuses a file that its group or others may read or write, or that belongs to somebody
// else than root or the calling user.
enum class File_access : std::uint8_t { any, secret };

// Reads the whole regular file, at most max_bytes. Errors name the path and errno's text.
Result<std::string> read_file(const std::string &path, std::size_t max_bytes = 16U << 20U,
                              File_access access = File_access::any);

} // namespace proxymap
