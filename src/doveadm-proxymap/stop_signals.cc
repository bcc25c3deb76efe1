#include "stop_signals.h"

#include "core/clock.h"

#include <algorithm>
#include <ctime>

namespace proxymap {

Stop_signals::Stop_signals()
{
    sigemptyset(&signals_);
    sigaddset(&signals_, SIGINT);
    sigaddset(&signals_, SIGTERM);
    sigprocmask(SIG_BLOCK, &signals_, &before_);
}

Stop_signals::~Stop_signals()
{
    sigprocmask(SIG_SETMASK, &before_, nullptr);
}

bool Stop_signals::wait(std::uint64_t msecs) const
{
    const std::uint64_t end = monotonic_ms() + msecs;
    for (;;) {
        const std::uint64_t now = monotonic_ms();
        const std::uint64_t left = end - std::min(now, end);
        const timespec time{static_cast<time_t>(left / 1000),
                            static_cast<long>(left % 1000 * 1'000'000)};
        // Whatever else interrupts it, the rest is waited for.
        if (sigtimedwait(&signals_, nullptr, &time) > 0)
            return true;
        if (left == 0)
            return false;
    }
}

} // namespace proxymap
