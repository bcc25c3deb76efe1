// src/doveadm-proxymap/proxy_sessions.cc: when it may be said that users have no session any more.
#include "doveadm-proxymap/proxy_sessions.h"

#include "fake_doveadm.h"

#include <algorithm>
#include <mutex>

#include <CppUTest/TestHarness.h>

using namespace proxymap;

namespace {

// A proxy as its doveadm shows it: users with sessions, and what becomes of them.
struct Fake_proxy {
    std::mutex mutex;
    std::vector<std::string> users;
    std::vector<std::string> kicked;
    unsigned looks = 0;
    unsigned arrives_at = 0; // with this look john is there, though he was not before
    unsigned fails_until = 0;
    bool immortal = false;
    Fake_doveadm server{[this](const std::vector<std::string> &words) { return answer(words); }};

    std::string answer(const std::vector<std::string> &words)
    {
        const std::scoped_lock lock(mutex);
        const bool kick = std::find(words.begin(), words.end(), "--kick") != words.end();
        if (kick) {
            kicked.insert(kicked.end(), words.begin() + 5, words.end()); // behind "--"
            if (!immortal)
                std::erase_if(users, [&](const std::string &user) {
                    return std::find(words.begin(), words.end(), user) != words.end();
                });
            return Fake_doveadm::whole({});
        }
        if (++looks == arrives_at)
            users.emplace_back("john");
        if (looks <= fails_until)
            return "";
        std::vector<std::string> values;
        for (const std::string &user : users)
            values.insert(values.end(), {user, "imap", "10.0.0.9", "10.0.0.1", "143"});
        return Fake_doveadm::whole(values);
    }
};

} // namespace

TEST_GROUP(proxy_sessions)
{
    Fake_proxy one, two;
    Session_end what;

    void setup() override
    {
        what.is_theirs = [](const std::string &user) {
            return Result<bool>(user == "john" || user == "joe");
        };
        what.settle = 0;
        what.timeout = 20'000;
    }
    Ended end()
    {
        return end_sessions(
            {{"p1", {"", 0, one.server.path()}}, {"p2", {"", 0, two.server.path()}}}, {}, what);
    }
};

TEST(proxy_sessions, theirs_are_ended_on_all_proxies_and_no_others)
{
    one.users = {"john", "jane", "john"};
    two.users = {"joe"};
    const Ended ended = end();
    CHECK(ended.failures.empty());
    CHECK((ended.sessions == std::vector<std::uint64_t>{2, 1}));
    CHECK((one.kicked == std::vector<std::string>{"john"}));
    CHECK((two.kicked == std::vector<std::string>{"joe"}));
    CHECK((one.users == std::vector<std::string>{"jane"}));
}

TEST(proxy_sessions, they_are_gone_only_when_a_look_after_the_time_shows_none)
{
    one.users = {"john"};
    CHECK(end().failures.empty());
    LONGS_EQUAL(2, one.looks);
}

TEST(proxy_sessions, one_that_comes_before_the_time_is_over_is_ended_too)
{
    two.arrives_at = 3;
    what.settle = 2000;
    const Ended ended = end();
    CHECK(ended.failures.empty());
    CHECK((ended.sessions == std::vector<std::uint64_t>{0, 1}));
    CHECK(two.users.empty());
}

TEST(proxy_sessions, a_proxy_may_fail_for_a_while_but_must_answer_in_the_end)
{
    two.users = {"john"};
    two.fails_until = 3;
    const Ended ended = end();
    CHECK(ended.failures.empty());
    CHECK((ended.sessions == std::vector<std::uint64_t>{0, 1}));
}

TEST(proxy_sessions, one_that_stays_out_of_reach_is_named)
{
    two.server.set_open(false);
    what.timeout = 300;
    const Ended ended = end();
    LONGS_EQUAL(1, ended.failures.size());
    CHECK(ended.failures[0].starts_with("p2: "));
}

TEST(proxy_sessions, one_whose_sessions_do_not_end_is_named)
{
    one.users = {"john"};
    one.immortal = true;
    what.timeout = 300;
    const Ended ended = end();
    LONGS_EQUAL(1, ended.failures.size());
    STRCMP_EQUAL("p1: 1 of their sessions came back until the end", ended.failures[0].c_str());
}

TEST(proxy_sessions, whose_they_are_must_be_known)
{
    one.users = {"john"};
    what.is_theirs = [](const std::string &) { return Result<bool>(Error{"table: broken"}); };
    what.timeout = 300;
    const Ended ended = end();
    LONGS_EQUAL(1, ended.failures.size());
    STRCMP_EQUAL("p1: table: broken", ended.failures[0].c_str());
    CHECK(one.kicked.empty());
}

TEST(proxy_sessions, many_are_ended_in_several_requests)
{
    for (int i = 0; i < 1200; ++i)
        one.users.push_back("u" + std::to_string(i));
    what.is_theirs = [](const std::string &) { return Result<bool>(true); };
    const Ended ended = end();
    CHECK(ended.failures.empty());
    LONGS_EQUAL(1200, ended.sessions[0]);
    CHECK(one.users.empty());
}

TEST(proxy_sessions, each_proxy_needs_an_address_a_port_or_to_be_this_host)
{
    Settings settings;
    settings.proxy_name = "p1";
    settings.proxies = {{"p1", "", 0, ""},
                        {"p2", "10.0.0.2", 0, ""},
                        {"p3", "10.0.0.3", 5, ""},
                        {"p4", "", 0, "/run/x"}};
    Doveadm_access access{"doveadm", "", 24245, "/run/dovecot/doveadm-server"};
    const auto proxies = proxies_of(settings, access);
    CHECK(proxies.ok());
    STRCMP_EQUAL("/run/dovecot/doveadm-server", (*proxies)[0].address.path.c_str());
    LONGS_EQUAL(24245, (*proxies)[1].address.port);
    LONGS_EQUAL(5, (*proxies)[2].address.port);
    STRCMP_EQUAL("/run/x", (*proxies)[3].address.path.c_str());
    access.port = 0;
    CHECK(!proxies_of(settings, access).ok());
    settings.proxies = {{"p2", "", 0, ""}};
    CHECK(!proxies_of(settings, access).ok());
}
