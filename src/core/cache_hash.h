// The cache's keyed hash: attackers choose login names, so they must not be able to choose
// collisions. SipHash-1-3 (Aumasson and Bernstein), with a key from the kernel for each cache.
// A hash finds candidates; it never decides that two names are the same.
#pragma once

#include <cstdint>
#include <string_view>

namespace proxymap {

struct Hash_key {
    std::uint64_t low = 0;
    std::uint64_t high = 0;
};

using Hash_function = std::uint64_t (*)(const Hash_key &, std::string_view);

// From getrandom(2). Throws std::system_error where the kernel gives none.
Hash_key random_hash_key();

// SipHash with the given rounds for each word and at the end. <1, 3> and <2, 4> exist.
template <int word_rounds, int final_rounds>
std::uint64_t sip_hash(const Hash_key &key, std::string_view bytes);

extern template std::uint64_t sip_hash<1, 3>(const Hash_key &, std::string_view);
extern template std::uint64_t sip_hash<2, 4>(const Hash_key &, std::string_view);

} // namespace proxymap
