// What the value of each field may be.
#include "core/field.h"

#include <initializer_list>
#include <string>

#include <CppUTest/TestHarness.h>

using namespace proxymap;

namespace {

std::string error_of(Field_id id, std::string_view value)
{
    const auto checked = check_field_value(id, to_string(id), value);
    return checked ? "" : checked.error().message;
}

bool says(const std::string &message, std::string_view part)
{
    return message.find(part) != std::string::npos;
}

void check_all(Field_id id, bool expected, std::initializer_list<std::string_view> values)
{
    for (const auto value : values) {
        const auto text = std::string(to_string(id)) + "=" + std::string(value);
        CHECK_EQUAL_TEXT(expected, error_of(id, value).empty(), text.c_str());
    }
}

} // namespace

TEST_GROUP(field_value){};

TEST(field_value, host_is_an_address_or_a_name)
{
    check_all(Field_id::host, true,
              {"192.168.0.1", "::1", "2001:db8::1", "::ffff:10.0.0.1", "b1", "b1.example.org",
               "b_1-x.example.org", "1and1.com", "1.example"});
    check_all(Field_id::host, false,
              {"", "-b1", ".b1", "b1.", "b..1", "b 1", "b/1", "b1:143", "[::1]", "b1,b2",
               "b\xc3\xa4", "fe80::1%eth0", "%{domain}", "b1\n", ":::", "a@b"});
    const std::string longest = std::string(251, 'a') + ".b";
    CHECK(error_of(Field_id::host, longest).empty());
    CHECK(!error_of(Field_id::host, "a" + longest).empty());
}

TEST(field_value, a_mistyped_address_is_no_host_name)
{
    check_all(Field_id::host, false,
              {"192.168.0.256", "192.168.0", "127.1", "2130706433", "0x7f000001", "10.0.0.0x1",
               "1.2.3.4.5", "192.168.0.01"});
}

TEST(field_value, hostip_is_an_address_only)
{
    check_all(Field_id::hostip, true, {"192.168.0.1", "::1"});
    check_all(Field_id::hostip, false,
              {"", "b1", "192.168.0.1/32", "fe80::1%lo", " ::1",
               "0:0:0:0:0:0:0:0:0:0:0:0:0:0:0:0:"
               "0:0:0:0:0:0:0:0:0:0:0:0:0:0"});
}

TEST(field_value, port_is_from_1_to_65535)
{
    check_all(Field_id::port, true, {"1", "143", "65535"});
    check_all(Field_id::port, false, {"", "0", "65536", "-1", "+1", "1 ", "0x1", "imap", "1e3"});
    CHECK(says(error_of(Field_id::port, "70000"), "\"70000\""));
    CHECK(says(error_of(Field_id::port, "70000"), "1 to 65535"));
}

TEST(field_value, words_of_a_closed_list)
{
    check_all(Field_id::protocol, true, {"lmtp", "smtp"});
    check_all(Field_id::protocol, false, {"", "LMTP", "imap"});
    check_all(Field_id::tls, true, {"no", "starttls", "starttls-any-cert", "ssl", "ssl-any-cert"});
    check_all(Field_id::tls, false, {"", "yes", "any-cert", "SSL", "ssl ", "tls"});
    check_all(Field_id::state, true, {"up", "drain", "down", "hold"});
    check_all(Field_id::state, false, {"", "Up", "off"});
}

TEST(field_value, names_of_things)
{
    for (const auto id : {Field_id::backend, Field_id::failover, Field_id::credential,
                          Field_id::tls_policy, Field_id::source}) {
        check_all(id, true, {"b1", "a.b_c+d-e@f", "B1"});
        check_all(
            id, false,
            {"", "b 1", "b1:x", "b/1", "b*", "%{user}", "b\xc3\xa4", std::string_view("b\0", 2)});
        CHECK(error_of(id, std::string(64, 'a')).empty());
        CHECK(!error_of(id, std::string(65, 'a')).empty());
    }
}

TEST(field_value, proxy_mech_is_a_mechanism_in_any_case)
{
    check_all(Field_id::proxy_mech, true, {"PLAIN", "plain", "SCRAM-SHA-256", "xoauth2"});
    check_all(Field_id::proxy_mech, false, {"", "PLAIN LOGIN", "A=B", "%{x}"});
}

TEST(field_value, times)
{
    check_all(Field_id::proxy_timeout, true, {"0", "5", "5s", "1500ms", "2m", "1h", "1d"});
    check_all(Field_id::proxy_timeout, false, {"", "s", "-5", "5 s", "5x", "1.5s", "2d", "5S"});
    check_all(Field_id::proxy_refresh, true, {"0", "300", "5m", "2000ms"});
    check_all(Field_id::proxy_refresh, false, {"1500ms", "x", ""});
    check_all(Field_id::proxy_host_immediate_failure_after, true, {"30", "30s"});
    check_all(Field_id::proxy_host_immediate_failure_after, false, {"1ms", "x"});
}

TEST(field_value, switches_are_yes_or_no_for_dovecot_takes_any_value_for_yes)
{
    for (const auto id :
         {Field_id::proxy_nopipelining, Field_id::proxy_not_trusted, Field_id::proxy_noauth,
          Field_id::proxy_redirect_reauth, Field_id::proxy_no_multiplex, Field_id::nologin}) {
        check_all(id, true, {"yes", "no"});
        check_all(id, false, {"", "y", "n", "true", "1", "YES"});
    }
}

TEST(field_value, networks)
{
    for (const auto id : {Field_id::allow_nets, Field_id::allow_real_nets}) {
        check_all(id, true,
                  {"10.0.0.0/8", "10.0.0.1", "local", "10.0.0.0/8,local, fd00::/8", "0.0.0.0/0",
                   "::/0", "::1/128"});
        check_all(id, false,
                  {"", ",", "10.0.0.0/33", "::/129", "10.0.0.0/", "10.0.0/8", "here",
                   "10.0.0.0/8;local", "10.0.0.0/-1", "10.0.0.0/8/8", "local/8"});
    }
}

TEST(field_value, delay_until_never_has_a_random_part_of_zero_for_that_kills_auth)
{
    check_all(Field_id::delay_until, true, {"0", "1700000000", "1700000000+5"});
    check_all(Field_id::delay_until, false,
              {"", "+5", "1700000000+", "1700000000+0", "1700000000+-1", "1+1+1", "tomorrow",
               "99999999999999999999", "1+4294967296"});
}

TEST(field_value, names_and_passwords_are_not_empty)
{
    for (const auto id : {Field_id::destuser, Field_id::master, Field_id::user, Field_id::pass,
                          Field_id::password}) {
        check_all(id, true, {"x", "x y", "{PLAIN}x", "\xc3\xa4"});
        check_all(id, false, {""});
    }
    check_all(Field_id::password, false, {"{PLAIN}", "{CRYPT}"});
    check_all(Field_id::pass, true, {"{PLAIN}"}); // as it stands
}

TEST(field_value, free_texts_may_be_empty)
{
    for (const auto id : {Field_id::reason, Field_id::forward_prefix, Field_id::event_prefix,
                          Field_id::user_prefix}) {
        check_all(id, true, {"", "some text \"quoted\""});
    }
}

TEST(field_value, variables_expand_in_destuser_and_the_families)
{
    for (const auto id : {Field_id::destuser, Field_id::forward_prefix, Field_id::event_prefix,
                          Field_id::user_prefix}) {
        check_all(id, true,
                  {"%{user}", "%{username}@x", "%{domain}", "%{service}", "100%%", "%%{user}",
                   "%{user}%{domain}"});
        check_all(id, false,
                  {"%u", "%{users}", "%", "x%", "%{user", "%{ user}", "%{USER}", "%%%",
                   "%{if;1;==;1;a;b}"});
        CHECK(says(error_of(id, "%u"), "{user}, {username}, {domain} or {service}"));
    }
}

TEST(field_value, destinations_are_literal)
{
    for (const auto id :
         {Field_id::host, Field_id::hostip, Field_id::port, Field_id::backend, Field_id::failover,
          Field_id::credential, Field_id::tls, Field_id::tls_policy, Field_id::source,
          Field_id::proxy_mech, Field_id::user, Field_id::allow_nets}) {
        CHECK(says(error_of(id, "%{domain}"), "destinations are literal"));
        CHECK(says(error_of(id, "%%"), "destinations are literal"));
    }
}

TEST(field_value, a_percent_sign_is_a_percent_sign_in_reason_master_and_passwords)
{
    for (const auto id : {Field_id::reason, Field_id::master, Field_id::pass, Field_id::password}) {
        check_all(id, true, {"%", "%{user}", "100%"});
    }
}

TEST(field_value, no_field_holds_a_control_character)
{
    for (int i = 0; i <= static_cast<int>(Field_id::user_prefix); i++) {
        const auto id = static_cast<Field_id>(i);
        for (const auto value :
             {std::string_view("a\nb"), std::string_view("a\0b", 3), std::string_view("a\tb"),
              std::string_view("a\x7f"), std::string_view("\r")}) {
            CHECK(says(error_of(id, value), "control character"));
        }
    }
}

TEST(field_value, no_value_is_longer_than_512_bytes)
{
    CHECK(error_of(Field_id::reason, std::string(512, 'a')).empty());
    CHECK(says(error_of(Field_id::reason, std::string(513, 'a')), "513 bytes; at most 512"));
}

TEST(field_value, no_error_tells_a_password)
{
    for (const auto id : {Field_id::pass, Field_id::password}) {
        for (const auto &value : {std::string("hunter2\n"), "hunter2" + std::string(600, 'x')}) {
            CHECK(!error_of(id, value).empty());
            CHECK(!says(error_of(id, value), "hunter2"));
        }
    }
}
