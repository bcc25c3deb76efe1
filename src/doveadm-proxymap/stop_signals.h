// SIGINT and SIGTERM for a command that works until it is told to stop: they end nothing by
// themselves, but are waited for between two pieces of work.
#pragma once

#include <csignal>
#include <cstdint>

namespace proxymap {

class Stop_signals {
  public:
    Stop_signals();
    ~Stop_signals();
    Stop_signals(const Stop_signals &) = delete;
    Stop_signals &operator=(const Stop_signals &) = delete;

    // For so many milliseconds, or until one comes: true then, also when it came before.
    bool wait(std::uint64_t msecs) const;

  private:
    sigset_t signals_{};
    sigset_t before_{};
};

} // namespace proxymap
