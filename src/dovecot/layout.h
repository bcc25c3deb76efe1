// What the modules' layout guards share: whether Dovecot's structures lie in memory as in the
// headers that a module was compiled with. Debian has moved them under an unchanged ABI version
// (2.3.19.1, deb12u6 to deb12u7), and nothing in the binaries tells.
//
// MUST: a pointer from a structure that is not known to fit is never followed: the kernel copies
// what it leads to, and refuses where it leads nowhere.
#pragma once

#include <cstddef>
#include <initializer_list>
#include <optional>
#include <string>

struct setting_parser_info;

namespace proxymap {

// False: there is no such memory, or the kernel could not be asked.
bool copy_foreign(const void *from, void *to, std::size_t bytes);

template <typename T> bool copy_foreign(const T *from, T &to)
{
    return copy_foreign(from, &to, sizeof(T));
}

// A C string of at most 255 bytes; nothing: there is none.
std::optional<std::string> copy_foreign_text(const char *from);

// Where a member of a settings structure is.
struct Setting_place {
    const char *name; // as in Dovecot's table of that structure
    std::size_t offset;
};

// Whether Dovecot's own table has each of them at its place.
bool has_settings_at(const setting_parser_info &info, std::initializer_list<Setting_place> places);

} // namespace proxymap
