// Which user logs in next.
#pragma once

#include "load_options.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <iterator>
#include <random>
#include <vector>

namespace proxymap::bench {

// The picks are drawn beforehand: a random number must not cost time that
// should be the server's.
class Users {
  public:
    explicit Users(const Options &options) : options_(options), turn_(options.skip)
    {
        if (options.distribution == Distribution::sequential)
            return;
        std::mt19937 random(options.seed);
        std::uniform_int_distribution<std::uint32_t> uniform(0, options.users - 1);
        if (options.distribution == Distribution::uniform) {
            std::generate_n(std::back_inserter(picks_), pick_count,
                            [&] { return uniform(random); });
            return;
        }
        // Zipf: the user of rank k is picked with a weight of 1 / k^1.1. Ranks are shuffled over
        // the names, so that popular users do not lie side by side in a file or table.
        std::vector<double> sums;
        double sum = 0;
        for (std::uint32_t rank = 1; rank <= options.users; ++rank)
            sums.push_back(sum += std::pow(rank, -1.1));
        std::vector<std::uint32_t> user_of_rank(options.users);
        for (std::uint32_t i = 0; i < options.users; ++i)
            user_of_rank[i] = i;
        std::shuffle(user_of_rank.begin(), user_of_rank.end(), std::mt19937(1));
        std::uniform_real_distribution<double> real(0, sum);
        std::generate_n(std::back_inserter(picks_), pick_count, [&] {
            const auto at = std::lower_bound(sums.begin(), sums.end() - 1, real(random));
            return user_of_rank[static_cast<std::size_t>(at - sums.begin())];
        });
    }

    std::uint64_t next()
    {
        const std::uint64_t turn = turn_++;
        const std::uint64_t user =
            picks_.empty() ? turn % options_.users : picks_[turn % pick_count];
        return options_.first_user + user;
    }

  private:
    static constexpr std::size_t pick_count = 1U << 20U;
    const Options &options_;
    std::vector<std::uint32_t> picks_;
    std::uint64_t turn_;
};

} // namespace proxymap::bench
