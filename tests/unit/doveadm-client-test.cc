// src/doveadm-proxymap/doveadm_client.cc: an answer of another host's doveadm is whole, or an
// error.
#include "doveadm-proxymap/doveadm_client.h"

#include "fake_doveadm.h"

#include <CppUTest/TestHarness.h>

using namespace proxymap;

namespace {

const std::vector<std::string> words = {"proxymap sessions", "--", "a\tb"};

} // namespace

TEST_GROUP(doveadm_client)
{
    std::string answer = Fake_doveadm::whole({});
    Doveadm_access access{"doveadm", "secret", 0, ""};
    Fake_doveadm server{[this](const std::vector<std::string> &) { return answer; }};

    Result<std::vector<std::string>> ask()
    {
        return ask_doveadm({"", 0, server.path()}, access, words);
    }
    std::string refusal()
    {
        const auto values = ask();
        return values ? "" : values.error().message;
    }
};

TEST(doveadm_client, words_are_joined_and_split_again)
{
    const std::vector<std::string> odd = {"", "a\tb", "\001t", "c\r\nd", ""};
    STRCMP_EQUAL("\ta\001tb\t\0011t\tc\001r\001nd\t", join_tabbed(odd).c_str());
    CHECK(split_tabbed(join_tabbed(odd)) == odd);
    CHECK(split_tabbed("a\001") == std::vector<std::string>{"a\001"});
}

TEST(doveadm_client, gets_the_values_of_an_answer)
{
    CHECK(ask().ok() && ask()->empty());
    const std::vector<std::string> values = {"john", "imap", "", "a\tb"};
    answer = Fake_doveadm::whole(values);
    CHECK(*ask() == values);
    answer = Fake_doveadm::whole(std::vector<std::string>(100'000, "john"));
    LONGS_EQUAL(100'000, ask()->size());
}

TEST(doveadm_client, sends_no_flags_no_user_and_the_words)
{
    std::vector<std::string> got;
    const Fake_doveadm listener([&got](const std::vector<std::string> &sent) {
        got = sent;
        return Fake_doveadm::whole({});
    });
    CHECK(ask_doveadm({"", 0, listener.path()}, access, words).ok());
    CHECK((got == std::vector<std::string>{"", "", "proxymap sessions", "--", "a\tb"}));
}

TEST(doveadm_client, an_answer_that_is_cut_off_is_an_error)
{
    for (const char *cut : {"", "john\t", "john\timap\t\n", "\n"}) {
        answer = cut;
        CHECK_TEXT(!ask().ok(), cut);
    }
}

TEST(doveadm_client, an_answer_that_is_none_is_an_error)
{
    for (const char *odd : {"john\n+\n", "john\t\nwhat\n", "john\t\n\n"}) {
        answer = odd;
        STRCMP_EQUAL("its answer is not doveadm's protocol", refusal().c_str());
    }
    answer = "\n-TEMPFAIL\n";
    STRCMP_EQUAL("proxymap sessions failed there (TEMPFAIL); its log says why", refusal().c_str());
    answer = "\n-\n";
    STRCMP_EQUAL("proxymap sessions failed there; its log says why", refusal().c_str());
}

TEST(doveadm_client, logs_in_where_it_must)
{
    // printf '\0doveadm\0secret' | base64
    server.set_login("PLAIN\tAGRvdmVhZG0Ac2VjcmV0");
    CHECK(ask().ok());
    access.password = "another";
    STRCMP_EQUAL("it refuses doveadm_password of Dovecot's configuration here", refusal().c_str());
    access.password = "";
    CHECK(refusal().starts_with("it wants a password, and doveadm_password is not set"));
}

TEST(doveadm_client, a_server_that_is_not_there_is_an_error)
{
    CHECK(!ask_doveadm({"", 0, "/nowhere"}, access, words).ok());
    server.set_open(false);
    CHECK(!ask().ok());
}
