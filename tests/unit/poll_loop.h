// A Loop on poll(2), for the unit tests of what waits: stores, chains, look-ups.
#pragma once

#include "store/loop.h"

#include <cstdint>
#include <functional>
#include <map>
#include <memory>

class Poll_loop final : public proxymap::Loop {
  public:
    Poll_loop();
    ~Poll_loop() override;
    Poll_loop(const Poll_loop &) = delete;
    Poll_loop &operator=(const Poll_loop &) = delete;

    std::unique_ptr<Watch> when_readable(int fd, Callback callback) override;
    std::unique_ptr<Watch> after(std::uint32_t msecs, Callback callback) override;

    // Turns until the condition holds, and sees to it that it looks again at least every few
    // milliseconds, for what another thread does. False: it did not hold within ten seconds, which
    // a test takes for never.
    bool run_until(const std::function<bool()> &condition);
    // One round: waits at most that long, then calls what is due.
    void turn(int max_msecs);

  private:
    struct State;
    std::shared_ptr<State> state_; // with the watches, which may outlive the loop
};
