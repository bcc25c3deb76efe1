// By what `hash-user` and `hash-destination` choose among source addresses. The login plugin and
// the passdb must choose the same, so the rule stands here once.
//
// Rendezvous hashing (Thaler and Ravishankar, 1998): each address has a rank that depends on the
// key and on the address alone, and the highest wins. With the two halves of the address, IPv4
// filled up with zeros, as little-endian words, the rank is computed so:
//
//   x = SipHash-2-4(key) ^ first half ^ (second half rotated left by 29 bits)
//   x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9
//   rank = (x ^ x >> 27) * 0x94d049bb133111eb
//
// That is the finaliser of splitmix64 (Steele, Lea and Flood, 2014) less its last step, which the
// high bits, and so the order, do not need. Less mixing than this prefers some of the addresses
// that differ in one byte, as those of a pool do. The rotation keeps the bytes in which the
// addresses of a pool differ, the last ones of each half, apart.
//
// SipHash's own key is all zero: the choice must be the same on every host, and stay the same from
// release to release. So it is no secret, and who picks user names can pick one source address.
#pragma once

#include "cache_hash.h"
#include "ip.h"

#include <bit>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace proxymap {

inline std::uint64_t source_key_hash(std::string_view key)
{
    return sip_hash<2, 4>(Hash_key{}, key);
}

// The key of hash-destination. A view of the address.
inline std::string_view destination_key(const Ip &destination)
{
    return {reinterpret_cast<const char *>(destination.bytes.data()),
            destination.v6 ? std::size_t{16} : std::size_t{4}};
}

// What an address puts into its rank.
inline std::uint64_t source_word(const Ip &ip)
{
    std::uint64_t halves[2];
    std::memcpy(halves, ip.bytes.data(), sizeof(halves));
    if constexpr (std::endian::native == std::endian::big) {
        halves[0] = __builtin_bswap64(halves[0]);
        halves[1] = __builtin_bswap64(halves[1]);
    }
    return halves[0] ^ std::rotl(halves[1], 29);
}

inline std::uint64_t source_rank(std::uint64_t key_hash, std::uint64_t word)
{
    std::uint64_t x = key_hash ^ word;
    x = (x ^ x >> 30U) * 0xbf58476d1ce4e5b9U;
    return (x ^ x >> 27U) * 0x94d049bb133111ebU;
}

} // namespace proxymap
