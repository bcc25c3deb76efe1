// Keys of records.
#include "core/key.h"

#include <set>
#include <string>

#include <CppUTest/TestHarness.h>

using namespace proxymap;

namespace {

std::string key_of(std::string_view name, Kind kind = Kind::user)
{
    return encode_key("pm", kind, name);
}

} // namespace

TEST_GROUP(key){};

TEST(key, is_namespace_kind_and_name)
{
    STRCMP_EQUAL("pm:user:joe@example.com", key_of("joe@example.com").c_str());
    STRCMP_EQUAL("pm:domain:example.com", key_of("example.com", Kind::domain).c_str());
    STRCMP_EQUAL("pm:backend:b1", key_of("b1", Kind::backend).c_str());
    STRCMP_EQUAL("pm:default:%2A", key_of("*", Kind::default_route).c_str());
}

TEST(key, has_no_namespace_in_the_table)
{
    STRCMP_EQUAL("user:john", encode_key("", Kind::user, "john").c_str());
}

TEST(key, keeps_the_usual_bytes_readable)
{
    STRCMP_EQUAL("pm:user:aZ09@._+=-", key_of("aZ09@._+=-").c_str());
}

TEST(key, a_name_can_form_no_command_whatever_its_bytes)
{
    for (int byte = 0; byte < 256; byte++) {
        const std::string name = std::string("x") + static_cast<char>(byte) + "delete y";
        for (const char c : key_of(name).substr(8)) {
            const bool safe = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                              (c >= '0' && c <= '9') || std::string("@._+=-%").find(c) < 7;
            CHECK(safe);
        }
    }
    STRCMP_EQUAL("pm:user:x%0D%0Adelete%20y%00%FF",
                 key_of(std::string_view("x\r\ndelete y\0\xff", 13)).c_str());
}

TEST(key, two_names_never_share_a_key)
{
    std::set<std::string> keys;
    for (int byte = 0; byte < 256; byte++) {
        keys.insert(key_of(std::string(1, static_cast<char>(byte))));
    }
    LONGS_EQUAL(256, keys.size());
    CHECK(key_of("a%20") != key_of("a "));
    CHECK(key_of("a:b") != encode_key("pm:user", Kind::user, "b"));
    CHECK(key_of("x") != key_of("x", Kind::domain));
}

TEST(key, a_long_one_is_a_hash)
{
    const std::string longest(200 - 8, 'a');
    STRCMP_EQUAL(("pm:user:" + longest).c_str(), key_of(longest).c_str());
    const auto hashed = key_of(longest + "a");
    // printf 'a%.0s' $(seq 193) | sha256sum
    STRCMP_EQUAL("pm:user:#33f93a9879ef18f9779150b2dbace6f8cc17b29e1af6be4e1048fc647489f1c2",
                 hashed.c_str());
}

TEST(key, encoding_counts_for_its_length)
{
    const std::string blanks(65, ' '); // 195 bytes encoded
    LONGS_EQUAL(8 + 1 + 64, key_of(blanks).size());
    LONGS_EQUAL(8 + 64 * 3, key_of(blanks.substr(1)).size());
}

TEST(key, no_name_can_claim_the_hashed_key_of_another)
{
    const std::string hash = key_of(std::string(300, 'a')).substr(8);
    CHECK_EQUAL('#', hash.front());
    CHECK(key_of(hash) != "pm:user:" + hash);
}

TEST(key, is_never_too_long_for_memcached)
{
    const std::string name_space(max_namespace_bytes, 'n');
    for (std::size_t length = 0; length <= max_name_bytes; length++) {
        const auto key = encode_key(name_space, Kind::default_route, std::string(length, '\xff'));
        CHECK(key.size() <= max_key_bytes);
    }
}

TEST(key, the_marker_is_the_key_of_no_record)
{
    STRCMP_EQUAL("pm:marker", marker_key("pm").c_str());
}

TEST(key, what_is_no_record_is_encoded_alike)
{
    STRCMP_EQUAL("pm:proxy:a%20b", encode_key("pm", "proxy", "a b").c_str());
    LONGS_EQUAL(9 + 1 + 64, encode_key("pm", "proxy", std::string(300, 'a')).size());
}
