// A settings file in the words of Dovecot 2.4.
#include "core/native_text.h"

#include "core/settings.h"

#include <string>

#include <CppUTest/TestHarness.h>

using namespace proxymap;

namespace {

// Made before the first test: what a test allocates and keeps counts as its leak.
[[maybe_unused]] const auto &made_at_start = setting_list();

std::string native(std::string_view text)
{
    const auto result = format_native_settings(text, "/etc/x");
    return result ? *result : "error: " + result.error().message;
}

} // namespace

TEST_GROUP(native_text){};

TEST(native_text, sections_come_first_and_settings_stand_in_the_block)
{
    STRCMP_EQUAL("proxymap_tls_policy strict {\n"
                 "  ca_file = /etc/ca.pem\n"
                 "}\n"
                 "proxymap_source_pool out {\n"
                 "  addresses = ?192.0.2.1 2001:db8::1\n"
                 "}\n"
                 "passdb proxymap {\n"
                 "  proxymap_stores = memcached:[::1]:11211 lmdb\n"
                 "  proxymap_cache_ttl = 2h\n"
                 "}\n",
                 native("# a comment\nstores = memcached:[::1]:11211 lmdb # another\n"
                        "tls_policy strict {\n ca_file = /etc/ca.pem\n}\ncache_ttl = 2h\n"
                        "source_pool out {\n addresses = ?192.0.2.1 2001:db8::1\n}\n")
                     .c_str());
}

TEST(native_text, what_dovecot_could_take_for_something_else_is_quoted)
{
    for (const char *value : {"/etc/a#b", "/etc/$HOME", "/etc/a%{user}", "/etc/a<b"}) {
        const std::string expected = "  proxymap_table = \"" + std::string(value) + "\"\n";
        const std::string text = native("table = \"" + std::string(value) + "\"\n");
        CHECK_TEXT(text.find(expected) != std::string::npos, text.c_str());
    }
    CHECK(native("table = '/a\"b'\n").find("= \"/a\\\"b\"\n") != std::string::npos);
    CHECK(native("table = '/a\\\\b'\n").find("= \"/a\\\\b\"\n") != std::string::npos);
}

TEST(native_text, an_empty_file_is_a_block_with_every_default)
{
    STRCMP_EQUAL("passdb proxymap {\n}\n", native("").c_str());
}

TEST(native_text, a_wrong_file_is_not_converted)
{
    STRCMP_EQUAL("error: /etc/x:1: verify = \"maybe\": it must be backend, map or none",
                 native("verify = maybe\n").c_str());
    CHECK(native("cache_ttl = 2d\n").starts_with("error: /etc/x:1: cache_stale_ttl"));
}
