// Chooses the source address of a connection.
//
// Must never choose an address of another family than the destination's: Dovecot would connect
// without binding, from whatever address the kernel takes.
//
// A login waits for this: at most 2 us for 1,000 candidates. So each rule is a rank that is
// computed from one candidate alone, and one pass finds the highest; nothing is allocated.
#include "source_pool.h"

#include "source_rank.h"

#include <algorithm>
#include <cstddef>

namespace proxymap {

namespace {

using Candidates = std::vector<Source_candidate>;

// Which candidates are chosen among: those of the family that are not avoided, or, when all of the
// family are, these.
class Eligible {
  public:
    Eligible(const Candidates &candidates, bool v6) : v6_(v6)
    {
        avoided_ = std::all_of(candidates.begin(), candidates.end(), [v6](const auto &candidate) {
            return candidate.avoided || candidate.ip.v6 != v6;
        });
    }
    bool operator()(const Source_candidate &candidate) const
    {
        return candidate.ip.v6 == v6_ && candidate.avoided == avoided_;
    }

  private:
    bool v6_;
    bool avoided_;
};

struct Least_used_rank {
    std::uint64_t operator()(const Source_candidate &candidate) const { return ~candidate.used; }
};

// All are equal, and equal ones take turns.
struct Round_robin_rank {
    std::uint64_t operator()(const Source_candidate &) const { return 0; }
};

struct Rendezvous_rank {
    explicit Rendezvous_rank(std::string_view key) : key_hash(source_key_hash(key)) {}
    std::uint64_t operator()(const Source_candidate &candidate) const
    {
        return source_rank(key_hash, source_word(candidate.ip));
    }
    std::uint64_t key_hash;
};

// The index of the one with the highest rank. Equal ones take turns; without a turn the first of
// them wins. -1: none is eligible.
template <typename Rank>
int highest(const Candidates &candidates, const Eligible &eligible, const Rank &rank,
            std::uint64_t *turn)
{
    std::uint64_t most = 0;
    std::uint64_t equals = 0;
    std::size_t found = 0;
    for (std::size_t i = 0; i < candidates.size(); i++) {
        if (!eligible(candidates[i]))
            continue;
        const std::uint64_t its = rank(candidates[i]);
        if (its < most)
            continue;
        if (its > most || equals == 0) {
            most = its;
            equals = 1;
            found = i;
        } else {
            equals++;
        }
    }
    if (equals == 0)
        return -1;
    std::uint64_t to_pass = turn == nullptr ? 0 : (*turn)++ % equals;
    while (to_pass > 0) {
        const Source_candidate &next = candidates[++found];
        if (eligible(next) && rank(next) == most)
            to_pass--;
    }
    return static_cast<int>(found);
}

} // namespace

int choose_source(Choose choose, const std::vector<Source_candidate> &candidates,
                  const Ip &destination, std::string_view user, std::uint64_t *turn)
{
    const Eligible eligible(candidates, destination.v6);
    switch (choose) {
    case Choose::least_used:
        return highest(candidates, eligible, Least_used_rank(), turn);
    case Choose::round_robin:
        return highest(candidates, eligible, Round_robin_rank(), turn);
    case Choose::hash_user:
        return highest(candidates, eligible, Rendezvous_rank(user), nullptr);
    case Choose::hash_destination:
        return highest(candidates, eligible, Rendezvous_rank(destination_key(destination)),
                       nullptr);
    }
    return -1;
}

} // namespace proxymap
