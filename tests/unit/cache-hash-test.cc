// The keyed hash: the published algorithm, and a key that nobody knows.
#include "core/cache_hash.h"

#include <string>

#include <CppUTest/TestHarness.h>

using namespace proxymap;

namespace {

// The key of the published test vectors: bytes 0 to 15.
const Hash_key vector_key{0x0706050403020100U, 0x0f0e0d0c0b0a0908U};

std::string counting_bytes(std::size_t size)
{
    std::string bytes;
    while (bytes.size() < size)
        bytes.push_back(static_cast<char>(bytes.size()));
    return bytes;
}

// Templates with two arguments and CppUTest's macros do not go together.
std::uint64_t sip13(const Hash_key &key, std::string_view bytes)
{
    return sip_hash<1, 3>(key, bytes);
}

std::uint64_t sip24(const Hash_key &key, std::string_view bytes)
{
    return sip_hash<2, 4>(key, bytes);
}

} // namespace

TEST_GROUP(cache_hash){};

TEST(cache_hash, siphash_2_4_gives_the_vectors_of_its_paper)
{
    CHECK(sip24(vector_key, counting_bytes(0)) == 0x726fdb47dd0e0e31U);
    CHECK(sip24(vector_key, counting_bytes(15)) == 0xa129ca6149be45e5U);
}

TEST(cache_hash, siphash_1_3_gives_its_known_vector)
{
    CHECK(sip13(vector_key, counting_bytes(0)) == 0xabac0158050fc4dcU);
}

TEST(cache_hash, every_byte_of_the_name_and_of_the_key_counts)
{
    for (std::size_t size = 1; size <= 33; ++size) {
        const std::string name = counting_bytes(size);
        const std::uint64_t hash = sip13(vector_key, name);
        for (std::size_t i = 0; i < size; ++i) {
            std::string other = name;
            other[i] = static_cast<char>(other[i] ^ 1);
            CHECK(sip13(vector_key, other) != hash);
        }
        const Hash_key low{vector_key.low ^ 1U, vector_key.high};
        CHECK(sip13(low, name) != hash);
        const Hash_key high{vector_key.low, vector_key.high ^ 1U};
        CHECK(sip13(high, name) != hash);
    }
    CHECK(sip13(vector_key, counting_bytes(1)) != sip13(vector_key, ""));
}

TEST(cache_hash, each_key_is_another_one)
{
    const Hash_key one = random_hash_key();
    const Hash_key other = random_hash_key();
    CHECK(one.low != other.low && one.high != other.high);
    CHECK(one.low != 0 && one.high != 0);
}
