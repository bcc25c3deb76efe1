// src/core/net_list.cc: an address is in a network as Dovecot judges it.
#include "core/net_list.h"

#include <string>

#include <CppUTest/TestHarness.h>

using namespace proxymap;

namespace {

std::string found(const std::string &list, const std::string &ip)
{
    return std::string(find_network(list, *parse_ip(ip)));
}

} // namespace

TEST_GROUP(net_list){};

TEST(net_list, an_address_is_in_the_networks_whose_bits_it_has)
{
    STRCMP_EQUAL("10.0.0.0/8", found("10.0.0.0/8", "10.255.0.1").c_str());
    STRCMP_EQUAL("", found("10.0.0.0/8", "11.0.0.1").c_str());
    STRCMP_EQUAL("192.0.2.128/25", found("192.0.2.128/25", "192.0.2.129").c_str());
    STRCMP_EQUAL("", found("192.0.2.128/25", "192.0.2.127").c_str());
    STRCMP_EQUAL("192.0.2.4/30", found("192.0.2.4/30", "192.0.2.7").c_str());
    STRCMP_EQUAL("", found("192.0.2.4/30", "192.0.2.8").c_str());
    STRCMP_EQUAL("0.0.0.0/0", found("0.0.0.0/0", "203.0.113.9").c_str());
    STRCMP_EQUAL("fd00::/9", found("fd00::/9", "fd7f::1").c_str());
    STRCMP_EQUAL("", found("fd00::/9", "fd80::1").c_str());
}

TEST(net_list, an_address_without_bits_is_that_one_alone)
{
    STRCMP_EQUAL("192.0.2.7", found("192.0.2.7", "192.0.2.7").c_str());
    STRCMP_EQUAL("", found("192.0.2.7", "192.0.2.6").c_str());
    STRCMP_EQUAL("192.0.2.7/32", found("192.0.2.7/32", "192.0.2.7").c_str());
    STRCMP_EQUAL("2001:db8::1/128", found("2001:db8::1/128", "2001:db8::1").c_str());
    STRCMP_EQUAL("", found("2001:db8::1/128", "2001:db8::3").c_str());
}

TEST(net_list, families_do_not_mix)
{
    STRCMP_EQUAL("", found("0.0.0.0/0", "::1").c_str());
    STRCMP_EQUAL("", found("::/0", "10.0.0.1").c_str());
}

TEST(net_list, the_first_network_that_fits_is_found_behind_others_and_local)
{
    STRCMP_EQUAL("10.1.0.0/16",
                 found("local,fd00::/8, 10.1.0.0/16 10.0.0.0/8,", "10.1.2.3").c_str());
    STRCMP_EQUAL("", found("local", "127.0.0.1").c_str());
    STRCMP_EQUAL("", found("", "127.0.0.1").c_str());
    STRCMP_EQUAL("", found("10.0.0.0/33,10.0.0.0/x,10.0.0.0/", "10.0.0.0").c_str());
}
