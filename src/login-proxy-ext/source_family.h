// The addresses of a pool that a choice for one family is made among, prepared so that it costs
// about 1 us for 1,000 of them and allocates nothing.
//
// Chooses exactly as choose_source() (source_pool.h), which says the rules; the unit test compares
// the two.
#pragma once

#include "../core/source_pool.h"
#include "usage_counts.h"

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

namespace proxymap {

class Source_family {
  public:
    // Of the candidates of the family those that are not avoided, or, where all are, these; without
    // `tried`, in their order.
    Source_family(const std::vector<Source_candidate> &candidates, bool v6,
                  const std::vector<Ip> &tried, Usage_counts &counts);

    bool empty() const { return ips_.empty(); }
    const Ip &ip(std::size_t i) const { return ips_[i]; }

    // The counters to one destination; see Usage_counts::row().
    Usage_counts::Row row(Usage_counts &counts, const Ip &destination, std::uint16_t port,
                          std::uint64_t now)
    {
        return counts.row(places_, ips_, destination, port, now);
    }

    // The index of the chosen one. Not while empty().
    std::size_t choose(Choose choose, const Usage_counts::Row &row, const Ip &destination,
                       std::string_view user, std::uint64_t *turn);

  private:
    std::size_t least_used(const Usage_counts::Row &row, std::uint64_t *turn);
    std::size_t highest_rank(std::string_view key) const;

    std::vector<Ip> ips_;
    std::vector<std::uint64_t> words_; // source_word() of each, and padding
    std::vector<std::uint16_t> used_;  // of each, and padding; while it is chosen among them
    Usage_counts::Places places_;
};

} // namespace proxymap
