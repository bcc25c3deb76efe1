// The breaker of one store: after some failures in a row nobody asks it any more, until it has
// answered a probe of its own. Logins are never the probes.
#pragma once

#include <cstdint>

namespace proxymap {

class Breaker {
  public:
    // failures: how many in a row open it; at least 1.
    explicit Breaker(std::uint32_t failures) : limit_(failures > 0 ? failures : 1) {}

    // True when this failure opened it.
    bool failed()
    {
        if (open_ || ++in_a_row_ < limit_) {
            return false;
        }
        open_ = true;
        return true;
    }
    // True when this success closed it.
    bool succeeded()
    {
        const bool was_open = open_;
        open_ = false;
        in_a_row_ = 0;
        return was_open;
    }
    bool open() const { return open_; }

  private:
    std::uint32_t limit_;
    std::uint32_t in_a_row_ = 0;
    bool open_ = false;
};

} // namespace proxymap
