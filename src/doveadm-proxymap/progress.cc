#include "progress.h"

#include <cstdio>
#include <unistd.h>
#include <utility>

namespace proxymap {

namespace {

constexpr std::uint64_t records_a_step = 10'000;

} // namespace

Progress::Progress(std::string what) : what_(std::move(what)), terminal_(isatty(STDERR_FILENO) != 0)
{
}

void Progress::step()
{
    ++done_;
    if (!terminal_ || done_ % records_a_step != 0)
        return;
    std::fprintf(stderr, "\r%s: %llu records", what_.c_str(),
                 static_cast<unsigned long long>(done_));
    shown_ = true;
}

void Progress::end()
{
    if (shown_)
        std::fputs("\r\033[K", stderr);
    shown_ = false;
}

} // namespace proxymap
