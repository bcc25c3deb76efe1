// What every benchmark program needs: the time, and an end with one sentence. An error is the end
// of the program: a benchmark with an error has no result.
#pragma once

#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <string>

namespace proxymap::bench {

// "<program>: <sentence>" to stderr, exit 1.
[[noreturn]] inline void die(const std::string &sentence)
{
    std::fprintf(stderr, "%s: %s\n", program_invocation_short_name, sentence.c_str());
    std::exit(1);
}

inline std::uint64_t monotonic_ns()
{
    timespec now{};
    clock_gettime(CLOCK_MONOTONIC, &now);
    return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000 +
           static_cast<std::uint64_t>(now.tv_nsec);
}

} // namespace proxymap::bench
