#include "progress.h"

#include <algorithm>
#include <cstdio>
#include <unistd.h>
#include <utility>

namespace proxymap {

namespace {

constexpr std::size_t bar_columns = 30;

} // namespace

Progress::Progress(std::string what) : what_(std::move(what)), terminal_(isatty(STDERR_FILENO) != 0)
{
}

void Progress::show(double part)
{
    std::string bar;
    if (part >= 0) {
        const auto full = static_cast<std::size_t>(std::min(part, 1.0) * bar_columns);
        bar = " [" + std::string(full, '#') + std::string(bar_columns - full, '.') + "]";
    }
    std::fprintf(stderr, "\r%s:%s %llu records", what_.c_str(), bar.c_str(),
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
