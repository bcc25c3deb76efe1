// Waits for something that shows only by looking again: how long still, and what is waited for, on
// stderr where that is a terminal.
#pragma once

#include <cstdint>
#include <string>

namespace proxymap {

class Waiting {
  public:
    // most: milliseconds, from now on.
    explicit Waiting(std::uint64_t most);
    ~Waiting();
    Waiting(const Waiting &) = delete;
    Waiting &operator=(const Waiting &) = delete;

    bool over() const;
    // Until it is worth looking again, a part of a second. False, and at once: the time is over.
    // what: "no session for 30 s"
    bool pause(const std::string &what);

  private:
    std::uint64_t end_; // on the monotonic clock
    bool terminal_;
    bool shown_ = false;
};

} // namespace proxymap
