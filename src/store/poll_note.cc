// See poll_note.h.
#include "poll_note.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstring>
#include <ctime>

namespace proxymap {

namespace {

constexpr mode_t note_mode = 0640;
constexpr std::uint64_t wall_tolerance = 1000; // for a clock that is slewed, not set

std::uint64_t milliseconds(clockid_t clock)
{
    timespec now{};
    clock_gettime(clock, &now);
    return static_cast<std::uint64_t>(now.tv_sec) * 1000U +
           static_cast<std::uint64_t>(now.tv_nsec) / 1'000'000U;
}

std::string path_of(const std::string &folder)
{
    return folder + "/polled";
}

std::string line_of(const Poll_clocks &at)
{
    std::array<char, 64> text{};
    const int length = std::snprintf(text.data(), text.size(), "v1 boot=%020llu wall=%020llu\n",
                                     static_cast<unsigned long long>(at.boot),
                                     static_cast<unsigned long long>(at.wall));
    return {text.data(), static_cast<std::size_t>(length)};
}

std::optional<std::uint64_t> number_behind(std::string_view text, std::string_view name)
{
    const auto at = text.find(name);
    if (at == std::string_view::npos)
        return std::nullopt;
    std::uint64_t number = 0;
    const char *start = text.data() + at + name.size();
    if (std::from_chars(start, text.data() + text.size(), number).ec != std::errc())
        return std::nullopt;
    return number;
}

} // namespace

Poll_clocks poll_clocks()
{
    return {milliseconds(CLOCK_BOOTTIME), milliseconds(CLOCK_REALTIME)};
}

// The same line twice: a reader that came into the midst of writing sees two that differ.
std::string format_poll_note(const Poll_clocks &at)
{
    return line_of(at) + line_of(at);
}

std::optional<std::uint64_t> poll_note_age(std::string_view text, const Poll_clocks &now)
{
    const auto boot = number_behind(text, " boot=");
    const auto wall = number_behind(text, " wall=");
    if (!boot || !wall || format_poll_note({*boot, *wall}) != text)
        return std::nullopt;
    if (*boot > now.boot || *wall > now.wall + wall_tolerance)
        return std::nullopt;
    return std::max(now.boot - *boot, now.wall > *wall ? now.wall - *wall : 0);
}

Result<Poll_note> Poll_note::open(const std::string &folder)
{
    const std::string path = path_of(folder);
    const auto fail = [&path](const std::string &what) {
        return Error{path + ": " + what + ": " + strerror(errno)};
    };
    Fd fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, note_mode));
    if (!fd.ok())
        return fail("cannot be opened");
    struct stat data {};
    struct stat own {};
    if (stat((folder + "/data.mdb").c_str(), &data) < 0)
        return Error{folder + "/data.mdb: cannot be looked at: " + strerror(errno)};
    if (fstat(fd.get(), &own) < 0)
        return fail("cannot be looked at");
    const auto unchanged = static_cast<uid_t>(-1);
    if (own.st_gid != data.st_gid && fchown(fd.get(), unchanged, data.st_gid) < 0)
        return fail("cannot be given to the group of data.mdb");
    if (fchmod(fd.get(), note_mode) < 0) // whatever the umask
        return fail("cannot be made readable");
    return Poll_note(std::move(fd), path);
}

Result<Done> Poll_note::write(const Poll_clocks &now) const
{
    const std::string text = format_poll_note(now);
    const auto written = pwrite(fd_.get(), text.data(), text.size(), 0);
    if (written != static_cast<ssize_t>(text.size()))
        return Error{path_ + ": cannot be written: " + (written < 0 ? strerror(errno) : "no room")};
    return Done{};
}

std::optional<std::uint64_t> read_poll_age(const std::string &folder)
{
    const Fd fd(::open(path_of(folder).c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
    if (!fd.ok())
        return std::nullopt;
    std::array<char, 256> text{};
    const auto bytes = pread(fd.get(), text.data(), text.size(), 0);
    if (bytes <= 0)
        return std::nullopt;
    return poll_note_age({text.data(), static_cast<std::size_t>(bytes)}, poll_clocks());
}

} // namespace proxymap
