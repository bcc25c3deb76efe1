// Latencies of one class of requests, and what became of them. Keeps every value: a benchmark's
// tail must not be an estimate (4 bytes a request).
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <string>
#include <vector>

namespace proxymap::bench {

enum class Reply : std::uint8_t { ok, fail, tempfail };

class Latencies {
  public:
    void add(Reply reply, std::uint64_t nanoseconds)
    {
        ++replies_[static_cast<std::size_t>(reply)];
        const std::uint64_t tenths = std::min<std::uint64_t>(nanoseconds / 100, UINT32_MAX);
        tenths_of_us_.push_back(static_cast<std::uint32_t>(tenths));
    }

    std::size_t count() const { return tenths_of_us_.size(); }

    // The members of a JSON object, without the braces. Microseconds.
    std::string json()
    {
        std::sort(tenths_of_us_.begin(), tenths_of_us_.end());
        char text[256];
        std::snprintf(text, sizeof text,
                      R"("ok":%llu,"fail":%llu,"tempfail":%llu,)"
                      R"("latency_us":{"p50":%.1f,"p95":%.1f,"p99":%.1f,"max":%.1f})",
                      static_cast<unsigned long long>(replies_[0]),
                      static_cast<unsigned long long>(replies_[1]),
                      static_cast<unsigned long long>(replies_[2]), percentile(50), percentile(95),
                      percentile(99), percentile(100));
        return text;
    }

  private:
    // Nearest rank: the smallest value that `percent` of all do not exceed. 0 without any value.
    double percentile(std::size_t percent) const
    {
        const std::size_t n = tenths_of_us_.size();
        if (n == 0)
            return 0;
        const std::size_t rank = std::max<std::size_t>((n * percent + 99) / 100, 1);
        return tenths_of_us_[rank - 1] / 10.0;
    }

    std::uint64_t replies_[3] = {};
    std::vector<std::uint32_t> tenths_of_us_;
};

} // namespace proxymap::bench
