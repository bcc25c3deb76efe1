// Chooses among the prepared addresses of one family; see source_family.h.
#include "source_family.h"

#include "../core/source_rank.h"

#include <algorithm>

namespace proxymap {

namespace {

// Counts are compared in blocks, which compilers turn into a few vector instructions each.
constexpr std::size_t block = 64;
constexpr std::uint16_t padding = UINT16_MAX; // behind the last one

constexpr std::size_t at_a_time = 4; // ranks

std::size_t equals_in_block(const std::uint16_t *counts, std::uint16_t wanted)
{
    std::uint16_t equals = 0;
    for (std::size_t i = 0; i < block; i++)
        equals = static_cast<std::uint16_t>(equals + (counts[i] == wanted ? 1 : 0));
    return equals;
}

} // namespace

Source_family::Source_family(const std::vector<Source_candidate> &candidates, bool v6,
                             const std::vector<Ip> &tried, Usage_counts &counts)
{
    auto is_one = [&](const Source_candidate &candidate) {
        return candidate.ip.v6 == v6 &&
               std::find(tried.begin(), tried.end(), candidate.ip) == tried.end();
    };
    const bool avoided =
        std::none_of(candidates.begin(), candidates.end(), [&](const Source_candidate &candidate) {
            return is_one(candidate) && !candidate.avoided;
        });
    for (const Source_candidate &candidate : candidates) {
        if (!is_one(candidate) || candidate.avoided != avoided)
            continue;
        ips_.push_back(candidate.ip);
        words_.push_back(source_word(candidate.ip));
    }
    // The last one again, which is never found before the last one.
    while (words_.size() % at_a_time != 0)
        words_.push_back(words_.back());
    used_.resize((ips_.size() + block - 1) / block * block, padding);
    places_ = counts.places(ips_);
}

std::size_t Source_family::choose(Choose choose, const Usage_counts::Row &row,
                                  const Ip &destination, std::string_view user, std::uint64_t *turn)
{
    switch (choose) {
    case Choose::least_used:
        return least_used(row, turn);
    case Choose::round_robin:
        return (*turn)++ % ips_.size();
    case Choose::hash_user:
        return highest_rank(user);
    case Choose::hash_destination:
        return highest_rank(destination_key(destination));
    }
    return 0;
}

// The counters change while they are read, so they are read once.
std::size_t Source_family::least_used(const Usage_counts::Row &row, std::uint64_t *turn)
{
    const std::uint16_t least = row.read(used_.data(), ips_.size());
    if (least == padding)
        return (*turn)++ % ips_.size(); // all of them are as high as can be
    std::size_t equals = 0;
    for (std::size_t i = 0; i < used_.size(); i += block)
        equals += equals_in_block(&used_[i], least);
    std::size_t to_pass = (*turn)++ % equals;
    std::size_t i = 0;
    for (;; i += block) {
        const std::size_t here = equals_in_block(&used_[i], least);
        if (to_pass < here)
            break;
        to_pass -= here;
    }
    while (used_[i] != least || to_pass-- > 0)
        i++;
    return i;
}

// Four at a time, for their multiplications overlap, and then the one of the four.
std::size_t Source_family::highest_rank(std::string_view key) const
{
    const std::uint64_t key_hash = source_key_hash(key);
    std::size_t chosen = 0;
    std::uint64_t most = 0;
    for (std::size_t i = 0; i < words_.size(); i += at_a_time) {
        const std::uint64_t *const four = &words_[i];
        const std::uint64_t highest =
            std::max(std::max(source_rank(key_hash, four[0]), source_rank(key_hash, four[1])),
                     std::max(source_rank(key_hash, four[2]), source_rank(key_hash, four[3])));
        if (highest > most) {
            most = highest;
            chosen = i;
        }
    }
    while (source_rank(key_hash, words_[chosen]) != most)
        chosen++;
    return chosen;
}

} // namespace proxymap
