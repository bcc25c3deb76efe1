// One line per cause per minute; see log_limiter.h.
#include "log_limiter.h"

namespace proxymap {

namespace {
constexpr std::size_t max_causes = 64;
}

void Log_limiter::forget_old(std::uint64_t now)
{
    for (auto it = causes_.begin(); it != causes_.end();) {
        if (now - it->second.logged_at >= 2 * interval_)
            it = causes_.erase(it);
        else
            ++it;
    }
}

bool Log_limiter::allow(std::string_view cause, std::uint64_t now, std::uint64_t *suppressed_r)
{
    *suppressed_r = 0;
    auto it = causes_.find(cause);
    if (it == causes_.end()) {
        if (causes_.size() >= max_causes)
            forget_old(now);
        if (causes_.size() >= max_causes)
            return false;
        causes_.emplace(cause, Seen{now, 0});
        return true;
    }
    Seen &seen = it->second;
    if (now - seen.logged_at < interval_) {
        seen.suppressed++;
        return false;
    }
    *suppressed_r = seen.suppressed;
    seen = {now, 0};
    return true;
}

} // namespace proxymap
