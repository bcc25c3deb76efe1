// Chooses the source address of a connection.
//
// Must never choose an address of another family than the destination's: Dovecot would connect
// without binding, from whatever address the kernel takes.
//
// A login waits for this: at most 2 us for 1,000 candidates. So each rule is a rank that is
// computed from one candidate alone, and one pass finds the highest; nothing is allocated.
#include "source_pool.h"

#include "cache_hash.h"

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstring>

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

// The first byte is the lowest, on hosts of either byte order.
std::uint64_t read_word(const unsigned char *bytes)
{
    std::uint64_t word = 0;
    std::memcpy(&word, bytes, sizeof(word));
    return std::endian::native == std::endian::big ? __builtin_bswap64(word) : word;
}

// Rendezvous hashing (Thaler and Ravishankar, 1998): each candidate has a weight that depends on
// the key and on its own address alone, and the highest wins. With the two halves of the address,
// IPv4 filled up with zeros, as little-endian words, the weight is computed so:
//
//   x = SipHash-2-4(key) ^ first half ^ (second half rotated left by 29 bits)
//   x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9
//   weight = (x ^ x >> 27) * 0x94d049bb133111eb
//
// That is the finaliser of splitmix64 (Steele, Lea and Flood, 2014) less its last step, which the
// high bits, and so the order, do not need. Less mixing than this prefers some of the addresses
// that differ in one byte, as those of a pool do. The rotation keeps the bytes in which the
// addresses of a pool differ, the last ones of each half, apart.
//
// SipHash's own key is all zero: the choice must be the same on every host, and stay the same from
// release to release. So it is no secret, and who picks user names can pick one source address.
class Rendezvous_rank {
  public:
    explicit Rendezvous_rank(std::string_view key) : key_hash_(sip_hash<2, 4>(Hash_key{}, key)) {}

    std::uint64_t operator()(const Source_candidate &candidate) const
    {
        const unsigned char *bytes = candidate.ip.bytes.data();
        std::uint64_t x = key_hash_ ^ read_word(bytes) ^ std::rotl(read_word(bytes + 8), 29);
        x = (x ^ x >> 30U) * 0xbf58476d1ce4e5b9U;
        return (x ^ x >> 27U) * 0x94d049bb133111ebU;
    }

  private:
    std::uint64_t key_hash_;
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
    case Choose::hash_destination: {
        const auto *bytes = reinterpret_cast<const char *>(destination.bytes.data());
        const std::string_view key(bytes, destination.v6 ? 16 : 4);
        return highest(candidates, eligible, Rendezvous_rank(key), nullptr);
    }
    }
    return -1;
}

} // namespace proxymap
