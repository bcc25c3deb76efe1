// A counter, or a bar where the end is known, on stderr for a long command. Only on a terminal: a
// log or a pipe never sees it.
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
    void step() // one more record
    {
        step([] { return -1.0; });
    }
    // part: asked now and then; which part is done, from 0 to 1, negative when that is not known.
    template <typename Part> void step(const Part &part)
    {
        ++done_;
        if (terminal_ && done_ % records_a_step == 0)
            show(part());
    }
    void end(); // takes it off the screen

  private:
    static constexpr std::uint64_t records_a_step = 10'000;
    void show(double part);

    std::string what_;
    std::uint64_t done_ = 0;
    bool terminal_;
    bool shown_ = false;
};

} // namespace proxymap
