#include "layout.h"

#include "dovecot.h"

#include <cstdint>

#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

extern "C" {
#include <settings-parser.h>
}

namespace proxymap {

namespace {

constexpr std::size_t max_text = 255;
constexpr std::size_t part_size = 512; // what a pipe takes at once, at the least
constexpr std::size_t max_settings = 1000;

struct Pipe {
    int ends[2] = {-1, -1};
    Pipe()
    {
        if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) < 0)
            ends[0] = ends[1] = -1;
    }
    ~Pipe()
    {
        close(ends[0]);
        close(ends[1]);
    }
    Pipe(const Pipe &) = delete;
    Pipe &operator=(const Pipe &) = delete;
};

// One for all copies, for a login process that serves one client makes some for each login.
std::optional<Pipe> shared_pipe;

bool copy_through(const Pipe &pipe, const char *from, char *to, std::size_t bytes)
{
    while (bytes > 0) {
        const std::size_t part = std::min(bytes, part_size);
        const auto size = static_cast<ssize_t>(part);
        // Not write(): a sanitizer would look at the memory first.
        if (syscall(SYS_write, pipe.ends[1], from, part) != size ||
            read(pipe.ends[0], to, part) != size)
            return false;
        from += part;
        to += part;
        bytes -= part;
    }
    return true;
}

} // namespace

bool copy_foreign(const void *from, void *to, std::size_t bytes)
{
    if (!shared_pipe)
        shared_pipe.emplace();
    const bool copied =
        copy_through(*shared_pipe, static_cast<const char *>(from), static_cast<char *>(to), bytes);
    if (!copied)
        shared_pipe.reset(); // something may be left in it
    return copied;
}

std::optional<std::string> copy_foreign_text(const char *from)
{
    std::string text;
    while (text.size() <= max_text) {
        // Up to an address that memory may end at.
        const std::size_t left = 64 - reinterpret_cast<std::uintptr_t>(from) % 64;
        char part[64];
        if (!copy_foreign(from, part, left))
            return std::nullopt;
        const char *end = std::find(part, part + left, '\0');
        text.append(part, static_cast<std::size_t>(end - part));
        if (end != part + left)
            return text.size() <= max_text ? std::optional(text) : std::nullopt;
        from += left;
    }
    return std::nullopt;
}

bool has_settings_at(const setting_parser_info &info, std::initializer_list<Setting_place> places)
{
    std::vector<Setting_place> left = places;
    const setting_define *at = info.defines;
    for (std::size_t i = 0; i < max_settings && !left.empty(); i++) {
        setting_define define;
        if (!copy_foreign(at + i, define) || define.key == nullptr)
            return false;
        const std::optional<std::string> name = copy_foreign_text(define.key);
        if (!name)
            return false;
        std::erase_if(left, [&](const Setting_place &place) {
            return *name == place.name && define.offset == place.offset;
        });
    }
    return left.empty();
}

} // namespace proxymap
