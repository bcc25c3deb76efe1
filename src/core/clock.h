// The clock by which everything here measures time: CLOCK_MONOTONIC, which nobody sets. It begins
// anywhere, and must never be shown as a time of day.
#pragma once

#include <cstdint>
#include <ctime>

namespace proxymap {

inline std::uint64_t monotonic_ns()
{
    timespec now{};
    clock_gettime(CLOCK_MONOTONIC, &now);
    return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000U +
           static_cast<std::uint64_t>(now.tv_nsec);
}

inline std::uint64_t monotonic_us()
{
    return monotonic_ns() / 1000U;
}

inline std::uint64_t monotonic_ms()
{
    return monotonic_ns() / 1'000'000U;
}

} // namespace proxymap
