// See waiting.h.
#include "waiting.h"

#include "core/clock.h"

#include <algorithm>
#include <cstdio>
#include <ctime>
#include <unistd.h>

namespace proxymap {

namespace {

constexpr std::uint64_t pause_msecs = 200; // proxies report once a second

} // namespace

Waiting::Waiting(std::uint64_t most)
    : end_(monotonic_ms() + most), terminal_(isatty(STDERR_FILENO) != 0)
{
}

Waiting::~Waiting()
{
    if (shown_)
        std::fputs("\r\033[K", stderr);
}

bool Waiting::over() const
{
    return monotonic_ms() >= end_;
}

bool Waiting::pause(const std::string &what)
{
    const std::uint64_t now = monotonic_ms();
    if (now >= end_)
        return false;
    if (terminal_) {
        std::fprintf(stderr, "\r\033[K%s (%llu s left)", what.c_str(),
                     static_cast<unsigned long long>((end_ - now + 999) / 1000));
        std::fflush(stderr);
        shown_ = true;
    }
    const std::uint64_t msecs = std::min(end_ - now, pause_msecs);
    const timespec time{0, static_cast<long>(msecs * 1'000'000)};
    nanosleep(&time, nullptr);
    return true;
}

} // namespace proxymap
