// Source pools: what is an address to connect from, and what each setting may be.
#include "core/source_pool.h"

#include "core/settings.h"

#include <string>

#include <CppUTest/TestHarness.h>

using namespace proxymap;

namespace {

Result<Source_pool> parse(const std::string &settings)
{
    const auto file = parse_conf("source_pool out {\n" + settings + "}\n", "/etc/x");
    if (!file)
        return file.error();
    return parse_source_pool(file->sections.at(0), "/etc/x");
}

Source_pool parsed(const std::string &settings)
{
    auto pool = parse(settings);
    CHECK_TEXT(pool.ok(), pool.ok() ? "" : pool.error().message.c_str());
    return std::move(*pool);
}

std::string refusal(const std::string &settings)
{
    const auto pool = parse(settings);
    CHECK_TEXT(!pool.ok(), ("taken, but it should have been refused: " + settings).c_str());
    return pool.error().message;
}

std::string refused_addresses(const std::string &addresses)
{
    const auto message = refusal("addresses = " + addresses + "\n");
    CHECK_TEXT(message.starts_with("/etc/x:2: source_pool out: addresses = "), message.c_str());
    CHECK_TEXT(message.size() < 500, message.c_str());
    return message;
}

bool contains(const std::string &text, std::string_view part)
{
    return text.find(part) != std::string::npos;
}

std::string many_addresses(int count)
{
    std::string addresses = "addresses =";
    for (int i = 0; i < count; i++)
        addresses += " 10.0." + std::to_string(i / 250) + "." + std::to_string(i % 250 + 1);
    return addresses + "\n";
}

} // namespace

TEST_GROUP(source_pool){};

TEST(source_pool, each_setting_reaches_its_field)
{
    const auto pool = parsed("addresses = 192.0.2.1 ?2001:DB8::1\t?out.example.com\n"
                             "choose = hash-user\n"
                             "refresh = 5m\n"
                             "avoid_for = 1m\n");
    STRCMP_EQUAL("out", pool.name.c_str());
    LONGS_EQUAL(3, pool.words.size());
    STRCMP_EQUAL("192.0.2.1", pool.words[0].text.c_str());
    CHECK(pool.words[0].ip == parse_ip("192.0.2.1") && !pool.words[0].only_assigned);
    STRCMP_EQUAL("2001:DB8::1", pool.words[1].text.c_str());
    CHECK(pool.words[1].ip == parse_ip("2001:db8::1") && pool.words[1].only_assigned);
    STRCMP_EQUAL("out.example.com", pool.words[2].text.c_str());
    CHECK(!pool.words[2].ip && pool.words[2].only_assigned);
    CHECK(pool.choose == Choose::hash_user);
    LONGS_EQUAL(300'000, pool.refresh);
    LONGS_EQUAL(60'000, pool.avoid_for);
}

TEST(source_pool, the_list_names_the_defaults_that_are_in_force)
{
    std::string settings = "addresses = a\n";
    for (const auto &info : source_pool_settings()) {
        if (!info.default_value.empty())
            settings += std::string(info.name) + " = " + std::string(info.default_value) + "\n";
        CHECK(!info.help.empty() && info.help.back() != '.' && !info.type.empty());
    }
    LONGS_EQUAL(4, source_pool_settings().size());
    const auto written = parsed(settings);
    const auto silent = parsed("addresses = a\n");
    CHECK(written.choose == silent.choose);
    CHECK(written.refresh == silent.refresh);
    CHECK(written.avoid_for == silent.avoid_for);
}

TEST(source_pool, at_least_one_address_or_name_is_needed)
{
    STRCMP_EQUAL("/etc/x:1: source_pool out: addresses is missing: the IP addresses, or names of "
                 "them, that connections come from",
                 refusal("choose = hash-user\n").c_str());
    CHECK(contains(refused_addresses(""), "at least one address or name"));
}

TEST(source_pool, at_most_1024_addresses_are_allowed)
{
    LONGS_EQUAL(1024, parsed(many_addresses(1024)).words.size());
    CHECK(contains(refusal(many_addresses(1025)), "more than 1024 addresses and names"));
}

TEST(source_pool, an_address_or_a_name_is_given_once_however_it_is_written)
{
    for (const char *addresses : {"10.0.0.1 10.0.0.1", "10.0.0.1 ?10.0.0.1",
                                  "2001:db8::1 2001:0DB8:0::1", "out.example OUT.example", "a ?a"})
        CHECK(contains(refused_addresses(addresses), "is given twice"));
}

TEST(source_pool, no_connection_comes_from_nowhere_or_everywhere)
{
    CHECK(contains(refused_addresses("0.0.0.0"), "is the unspecified address"));
    CHECK(contains(refused_addresses("::"), "is the unspecified address"));
    CHECK(contains(refused_addresses("224.0.0.1"), "is a multicast address"));
    CHECK(contains(refused_addresses("239.255.255.255"), "is a multicast address"));
    CHECK(contains(refused_addresses("?ff02::1"), "is a multicast address"));
    CHECK(contains(refused_addresses("255.255.255.255"), "is the broadcast address"));
    CHECK(contains(refused_addresses("fe80::1"), "is a link-local address"));
    CHECK(contains(refused_addresses("febf::1"), "is a link-local address"));
    parsed("addresses = 127.0.0.1 ::1 223.255.255.255 240.0.0.1 fec0::1 fe7f::1 fd00::1\n");
}

TEST(source_pool, an_ipv4_mapped_address_is_refused_however_it_came)
{
    CHECK(contains(refused_addresses("::ffff:10.0.0.1"), "IPv4-mapped"));
    Ip ip;
    ip.v6 = true;
    ip.bytes[10] = ip.bytes[11] = 0xff;
    ip.bytes[12] = 10;
    STRCMP_EQUAL("is an IPv4-mapped address", std::string(why_no_source(ip)).c_str());
}

TEST(source_pool, a_mistyped_address_is_no_name)
{
    for (const char *word : {"127.1", "10.0.0.256", "10.0.0", "1", "0x7f000001",
                             "10.0.0.1,10.0.0.2", "[2001:db8::1]", "2001:db8::1::2", "fe80::1%eth0",
                             "10.0.0.0/24", "?", "??10.0.0.1", "10.0.0.1?", "-a", "a..b", "%{ip}"})
        CHECK(contains(refused_addresses(word), word));
}

TEST(source_pool, a_rule_is_one_of_four)
{
    for (const auto choose :
         {Choose::least_used, Choose::round_robin, Choose::hash_user, Choose::hash_destination})
        CHECK(parsed("addresses = a\nchoose = " + std::string(to_string(choose)) + "\n").choose ==
              choose);
    STRCMP_EQUAL("/etc/x:2: source_pool out: choose = \"least_used\": it must be least-used, "
                 "round-robin, hash-user or hash-destination",
                 refusal("choose = least_used\naddresses = a\n").c_str());
    refusal("choose =\naddresses = a\n");
}

TEST(source_pool, times_are_in_their_range)
{
    for (const char *good : {"refresh = 1s", "refresh = 1d", "avoid_for = 0", "avoid_for = 1h"})
        parsed("addresses = a\n" + std::string(good) + "\n");
    for (const char *bad :
         {"refresh = 0", "refresh = 999ms", "refresh = 25h", "refresh = 60", "avoid_for = 61m"})
        CHECK(refusal("addresses = a\n" + std::string(bad) + "\n").starts_with("/etc/x:3: "));
}

TEST(source_pool, an_unknown_or_doubled_setting_is_an_error)
{
    STRCMP_EQUAL("/etc/x:2: source_pool out: unknown setting \"address\": did you mean addresses?",
                 refusal("address = 10.0.0.1\n").c_str());
    STRCMP_EQUAL("/etc/x:3: addresses is given twice: first in line 2, again in line 3",
                 refusal("addresses = 10.0.0.1\naddresses = 10.0.0.2\n").c_str());
}
