// IP addresses: what is one, and that it comes back as it went in.
#include "core/ip.h"

#include <string>

#include <CppUTest/TestHarness.h>

using namespace proxymap;

TEST_GROUP(ip){};

TEST(ip, an_ipv4_address_is_four_bytes_in_network_order_and_zeros)
{
    const auto ip = parse_ip("192.0.2.7");
    CHECK(ip && !ip->v6);
    const std::array<unsigned char, 16> expected = {192, 0, 2, 7};
    CHECK(ip->bytes == expected);
}

TEST(ip, an_ipv6_address_is_sixteen_bytes)
{
    const auto ip = parse_ip("2001:db8::7");
    CHECK(ip && ip->v6);
    const std::array<unsigned char, 16> expected = {0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0,
                                                    0,    0,    0,    0,    0, 0, 0, 7};
    CHECK(ip->bytes == expected);
}

TEST(ip, an_address_is_written_as_it_is_best_known)
{
    STRCMP_EQUAL("192.0.2.7", format_ip(*parse_ip("192.0.2.7")).c_str());
    STRCMP_EQUAL("2001:db8::7", format_ip(*parse_ip("2001:0DB8:0:0:0:0:0:7")).c_str());
}

TEST(ip, two_spellings_are_one_address_and_two_families_never)
{
    CHECK(*parse_ip("2001:db8::1") == *parse_ip("2001:DB8:0::1"));
    CHECK(*parse_ip("10.0.0.1") != *parse_ip("a00:1::"));
}

TEST(ip, a_port_stands_behind_an_address_in_brackets_where_that_has_colons)
{
    STRCMP_EQUAL("192.0.2.7:143", format_host_port("192.0.2.7", 143).c_str());
    STRCMP_EQUAL("[2001:db8::7]:143", format_host_port("2001:db8::7", 143).c_str());
    STRCMP_EQUAL("mail.example", format_host_port("mail.example", 0).c_str());
    STRCMP_EQUAL("[::1]", format_host_port("::1", 0).c_str());
}

TEST(ip, what_only_the_resolver_takes_for_an_address_is_none)
{
    const std::string with_nul("10.0.0.1\0.evil", 14);
    for (const std::string &text :
         {std::string(), std::string("127.1"), std::string("2130706433"), std::string("0x7f000001"),
          std::string("10.0.0.256"), std::string("010.0.0.1"), std::string("10.0.0.1 "),
          std::string("fe80::1%eth0"), std::string("[::1]"), std::string("::1/128"),
          std::string(":"), std::string("1::2::3"), std::string(60, ':'), with_nul})
        CHECK_TEXT(!parse_ip(text), text.c_str());
}

TEST(ip, an_ipv4_mapped_address_is_none)
{
    CHECK(!parse_ip("::ffff:10.0.0.1"));
    CHECK(!parse_ip("0:0:0:0:0:FFFF:0a00:0001"));
    CHECK(parse_ip("::fffe:10.0.0.1").has_value());
}

TEST(ip, only_an_ipv6_address_can_be_ipv4_mapped)
{
    Ip ip;
    ip.bytes[10] = ip.bytes[11] = 0xff;
    CHECK(!is_ipv4_mapped(ip));
    ip.v6 = true;
    CHECK(is_ipv4_mapped(ip));
}
