// A counter on stderr for a long command. Only on a terminal: a log or a pipe never sees it.
#pragma once

#include <cstdint>
#include <string>

namespace proxymap {

class Progress {
  public:
    explicit Progress(std::string what);
    ~Progress() { end(); }
    Progress(const Progress &) = delete;
    Progress &operator=(const Progress &) = delete;
    void step(); // one more record
    void end();  // takes the counter off the screen

  private:
    std::string what_;
    std::uint64_t done_ = 0;
    bool terminal_;
    bool shown_ = false;
};

} // namespace proxymap
