// SipHash as its paper describes it ("SipHash: a fast short-input PRF", 2012), and its key.
#include "cache_hash.h"

#include <bit>
#include <cerrno>
#include <cstring>
#include <sys/random.h>
#include <system_error>

namespace proxymap {

namespace {

struct Sip_state {
    std::uint64_t v0, v1, v2, v3;

    explicit Sip_state(const Hash_key &key)
        : v0(key.low ^ 0x736f6d6570736575U), v1(key.high ^ 0x646f72616e646f6dU),
          v2(key.low ^ 0x6c7967656e657261U), v3(key.high ^ 0x7465646279746573U)
    {
    }

    void mix(int rounds)
    {
        for (; rounds > 0; --rounds) {
            v0 += v1;
            v1 = std::rotl(v1, 13) ^ v0;
            v0 = std::rotl(v0, 32);
            v2 += v3;
            v3 = std::rotl(v3, 16) ^ v2;
            v0 += v3;
            v3 = std::rotl(v3, 21) ^ v0;
            v2 += v1;
            v1 = std::rotl(v1, 17) ^ v2;
            v2 = std::rotl(v2, 32);
        }
    }

    void absorb(std::uint64_t word, int rounds)
    {
        v3 ^= word;
        mix(rounds);
        v0 ^= word;
    }
};

// At most 8 bytes, the first one the lowest; the rest of the word is zero.
std::uint64_t read_word(const char *bytes, std::size_t size)
{
    std::uint64_t word = 0;
    std::memcpy(&word, bytes, size);
    return std::endian::native == std::endian::big ? __builtin_bswap64(word) : word;
}

} // namespace

template <int word_rounds, int final_rounds>
std::uint64_t sip_hash(const Hash_key &key, std::string_view bytes)
{
    Sip_state state(key);
    const std::size_t tail = bytes.size() % 8;
    const char *at = bytes.data();
    for (const char *end = at + (bytes.size() - tail); at != end; at += 8)
        state.absorb(read_word(at, 8), word_rounds);
    std::uint64_t last = std::uint64_t{bytes.size()} << 56U;
    if (tail > 0)
        last |= read_word(at, tail);
    state.absorb(last, word_rounds);
    state.v2 ^= 0xffU;
    state.mix(final_rounds);
    return state.v0 ^ state.v1 ^ state.v2 ^ state.v3;
}

template std::uint64_t sip_hash<1, 3>(const Hash_key &, std::string_view);
template std::uint64_t sip_hash<2, 4>(const Hash_key &, std::string_view);

Hash_key random_hash_key()
{
    Hash_key key;
    // So few bytes come whole or not at all (getrandom(2)).
    while (getrandom(&key, sizeof(key), 0) != static_cast<ssize_t>(sizeof(key))) {
        if (errno != EINTR)
            throw std::system_error(errno, std::generic_category(), "getrandom");
    }
    return key;
}

} // namespace proxymap
