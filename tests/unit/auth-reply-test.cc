// What auth says about a login, and what the login process is told in its place.
#include "login-proxy-ext/auth_reply.h"

#include <string>
#include <vector>

#include <CppUTest/TestHarness.h>

using namespace proxymap;

TEST_GROUP(auth_reply)
{
    std::vector<const char *> kept;

    // Fields separated by blanks.
    Auth_reply reply(std::vector<const char *> fields)
    {
        kept = std::move(fields);
        kept.push_back(nullptr);
        return Auth_reply(kept.data());
    }
    static std::string text(const Reply_fields &fields)
    {
        std::string all;
        for (const std::string &field : fields)
            all += (all.empty() ? "" : " ") + field;
        return all;
    }
};

TEST(auth_reply, a_reply_without_fields_asks_for_nothing)
{
    const Auth_reply none(nullptr);
    CHECK(!none.proxies() && !none.has_own_fields() && !none.wants_tls());
    STRCMP_EQUAL("", text(none.stripped()).c_str());
    STRCMP_EQUAL("", text(none.rewritten(true, std::nullopt)).c_str());
}

TEST(auth_reply, the_last_field_of_a_name_counts_as_in_dovecot)
{
    const auto fields = reply({"proxy", "host=a", "host=b", "port=1", "port=143"});
    CHECK(fields.proxies());
    CHECK(fields.host() == "b");
    LONGS_EQUAL(143, fields.port());
    CHECK(!fields.find("hos").has_value());
}

TEST(auth_reply, the_connection_goes_to_hostip_where_there_is_one)
{
    CHECK(reply({"host=10.0.0.1"}).address() == parse_ip("10.0.0.1"));
    CHECK(reply({"host=b1.example", "hostip=10.0.0.2"}).address() == parse_ip("10.0.0.2"));
    CHECK(reply({"host=10.0.0.1", "hostip="}).address() == parse_ip("10.0.0.1"));
    CHECK(!reply({"host=b1.example"}).address().has_value());
}

TEST(auth_reply, a_port_that_is_none_is_dovecots_own)
{
    LONGS_EQUAL(0, reply({"host=b"}).port());
    LONGS_EQUAL(0, reply({"port=99999"}).port());
    LONGS_EQUAL(0, reply({"port=1x"}).port());
}

TEST(auth_reply, either_word_of_dovecots_is_tls)
{
    CHECK(reply({"ssl=yes"}).wants_tls());
    CHECK(reply({"starttls"}).wants_tls());
    CHECK(!reply({"sslx=yes"}).wants_tls());
    CHECK(reply({"starttls=any-cert"}).wants_any_cert());
    CHECK(!reply({"starttls=yes", "ssl=yes"}).wants_any_cert());
    CHECK(reply({"starttls=yes"}).waits_for_starttls());
    CHECK(!reply({"ssl=yes"}).waits_for_starttls());
}

TEST(auth_reply, a_login_that_is_not_the_plugins_loses_its_own_fields_alone)
{
    const auto fields = reply({"user=joe", "proxy_mech=NEEDS-LOGIN-PROXY-EXT", "proxymap_tls=a",
                               "ssl=yes", "proxymap_source=out"});
    CHECK(fields.has_own_fields());
    STRCMP_EQUAL("user=joe proxy_mech=NEEDS-LOGIN-PROXY-EXT ssl=yes",
                 text(fields.stripped()).c_str());
}

TEST(auth_reply, an_enforced_policy_takes_the_place_of_dovecots_check)
{
    STRCMP_EQUAL("user=joe proxy host=b ssl=any-cert pass=x",
                 text(reply({"user=joe", "proxy", "host=b", "ssl=yes",
                             "proxy_mech=NEEDS-LOGIN-PROXY-EXT", "pass=x", "proxymap_tls=a"})
                          .rewritten(true, std::nullopt))
                     .c_str());
    STRCMP_EQUAL("starttls=any-cert", text(reply({"starttls"}).rewritten(true, {})).c_str());
}

TEST(auth_reply, the_mechanism_of_the_route_comes_back_where_the_policy_is_enforced)
{
    const auto fields =
        reply({"proxymap_mech=XOAUTH2", "proxy_mech=NEEDS-LOGIN-PROXY-EXT", "proxymap_tls=a"});
    STRCMP_EQUAL("proxy_mech=XOAUTH2", text(fields.rewritten(true, {})).c_str());
    STRCMP_EQUAL("proxy_mech=NEEDS-LOGIN-PROXY-EXT", text(fields.rewritten(false, {})).c_str());
}

TEST(auth_reply, without_a_policy_tls_stays_as_auth_said)
{
    STRCMP_EQUAL(
        "ssl=yes starttls=any-cert proxy_mech=PLAIN",
        text(reply({"ssl=yes", "starttls=any-cert", "proxy_mech=PLAIN", "proxymap_source=out"})
                 .rewritten(false, std::nullopt))
            .c_str());
}

TEST(auth_reply, a_chosen_source_replaces_another)
{
    const auto fields = reply({"source_ip=10.0.0.9", "host=b"});
    STRCMP_EQUAL("host=b source_ip=2001:db8::1",
                 text(fields.rewritten(false, parse_ip("2001:db8::1"))).c_str());
    STRCMP_EQUAL("source_ip=10.0.0.9 host=b", text(fields.rewritten(false, {})).c_str());
}

TEST(auth_reply, who_may_ask_again_is_the_passdbs_to_say)
{
    CHECK_FALSE(reply({"proxy_redirect_reauth"}).may_ask_again().has_value());
    CHECK_TRUE(reply({"proxymap_reauth=y"}).may_ask_again() == true);
    CHECK_TRUE(reply({"proxymap_reauth=n"}).may_ask_again() == false);
    CHECK_TRUE(reply({"proxymap_reauth"}).may_ask_again() == false);
    STRCMP_EQUAL("", text(reply({"proxymap_reauth=y"}).rewritten(false, {})).c_str());
}

TEST(auth_reply, wiping_leaves_nothing)
{
    Reply_fields fields = {"pass=secret"};
    wipe(&fields);
    CHECK(fields.empty());
}
