// One line per cause per minute: an outage under load says what it has to say once.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

namespace proxymap {

class Log_limiter {
  public:
    explicit Log_limiter(std::uint64_t interval_ms = 60'000) : interval_(interval_ms) {}

    // Whether a line of this cause may be logged now (CLOCK_MONOTONIC ms). *suppressed_r: how many
    // of it were held back since the last one. Remembers at most 64 causes; of more than that in
    // one interval the further ones are held back together.
    bool allow(std::string_view cause, std::uint64_t now, std::uint64_t *suppressed_r);

  private:
    struct Seen {
        std::uint64_t logged_at;
        std::uint64_t suppressed;
    };
    void forget_old(std::uint64_t now);

    std::uint64_t interval_;
    std::map<std::string, Seen, std::less<>> causes_;
};

} // namespace proxymap
