// Which session is handed out for which destination, and for how long.
#include "login-proxy-ext/tls_sessions.h"

#include <CppUTest/TestHarness.h>

using namespace proxymap;

namespace {

constexpr std::time_t noon = 1'800'000'000;

Session_ptr make_session(int version)
{
    Session_ptr session(SSL_SESSION_new());
    const unsigned char id[] = {1, 2, 3, 4};
    SSL_SESSION_set_protocol_version(session.get(), version);
    SSL_SESSION_set1_id(session.get(), id, sizeof(id)); // else it cannot be resumed
    return session;
}

Tls_time at(std::uint64_t seconds)
{
    return {seconds * 1000, noon + static_cast<std::time_t>(seconds)};
}

} // namespace

TEST_GROUP(tls_sessions)
{
    Tls_sessions sessions{10'000, 4};

    SSL_SESSION *add(const std::string &destination, int version = TLS1_3_VERSION,
                     std::uint64_t verified = 100, std::time_t valid_until = noon + day_s)
    {
        Session_ptr session = make_session(version);
        SSL_SESSION *added = session.get();
        sessions.add(destination, std::move(session), {verified * 1000, valid_until}, at(100));
        return added;
    }

    SSL_SESSION *take(const std::string &destination, std::uint64_t seconds = 101)
    {
        last = sessions.take(destination, at(seconds));
        return last.session.get();
    }

    static constexpr std::time_t day_s = 86400;
    Tls_sessions::Kept last;
};

TEST(tls_sessions, a_session_is_handed_out_with_its_verification)
{
    SSL_SESSION *added = add("a");
    POINTERS_EQUAL(added, take("a"));
    UNSIGNED_LONGS_EQUAL(100'000, last.verification.at_ms);
    CHECK(last.verification.valid_until == noon + day_s);
}

TEST(tls_sessions, another_destination_gets_none)
{
    add("a");
    POINTERS_EQUAL(nullptr, take("b"));
    POINTERS_EQUAL(nullptr, take(""));
    UNSIGNED_LONGS_EQUAL(1, sessions.size());
}

TEST(tls_sessions, one_of_tls_1_3_is_handed_out_once)
{
    add("a");
    CHECK(take("a") != nullptr);
    POINTERS_EQUAL(nullptr, take("a"));
    UNSIGNED_LONGS_EQUAL(0, sessions.size());
}

TEST(tls_sessions, one_of_tls_1_2_is_handed_out_again_and_replaced_by_a_newer_one)
{
    SSL_SESSION *first = add("a", TLS1_2_VERSION);
    POINTERS_EQUAL(first, take("a"));
    POINTERS_EQUAL(first, take("a"));
    SSL_SESSION *second = add("a", TLS1_2_VERSION);
    UNSIGNED_LONGS_EQUAL(1, sessions.size());
    POINTERS_EQUAL(second, take("a"));
}

TEST(tls_sessions, the_newest_ticket_goes_first)
{
    SSL_SESSION *first = add("a");
    SSL_SESSION *second = add("a");
    POINTERS_EQUAL(second, take("a"));
    POINTERS_EQUAL(first, take("a"));
}

TEST(tls_sessions, the_age_counts_from_the_verification)
{
    add("a", TLS1_3_VERSION, 95);
    POINTERS_EQUAL(nullptr, take("a", 105));
    UNSIGNED_LONGS_EQUAL(0, sessions.size());
    add("a", TLS1_3_VERSION, 95);
    CHECK(take("a", 104) != nullptr);
}

TEST(tls_sessions, one_that_is_too_old_is_not_even_kept)
{
    add("a", TLS1_3_VERSION, 90);
    UNSIGNED_LONGS_EQUAL(0, sessions.size());
}

TEST(tls_sessions, none_outlives_what_it_rests_on)
{
    add("a", TLS1_3_VERSION, 100, noon + 103);
    POINTERS_EQUAL(nullptr, take("a", 103));
    add("a", TLS1_3_VERSION, 100, noon + 103);
    CHECK(take("a", 102) != nullptr);
}

TEST(tls_sessions, beyond_the_limit_the_least_recently_used_goes)
{
    for (const char *destination : {"a", "b", "c", "d"})
        add(destination, TLS1_2_VERSION);
    CHECK(take("a") != nullptr);
    add("e", TLS1_2_VERSION);
    UNSIGNED_LONGS_EQUAL(4, sessions.size());
    CHECK(take("a") != nullptr);
    POINTERS_EQUAL(nullptr, take("b"));
}

TEST(tls_sessions, no_destination_takes_all_the_room)
{
    Tls_sessions many(10'000, 1000);
    for (int i = 0; i < 500; i++)
        many.add("a", make_session(TLS1_3_VERSION), {100'000, noon + day_s}, at(100));
    UNSIGNED_LONGS_EQUAL(32, many.size());
}

TEST(tls_sessions, one_that_cannot_be_resumed_is_not_kept)
{
    sessions.add("a", Session_ptr(SSL_SESSION_new()), {100'000, noon + day_s}, at(100));
    sessions.add("a", nullptr, {100'000, noon + day_s}, at(100));
    UNSIGNED_LONGS_EQUAL(0, sessions.size());
}

TEST(tls_sessions, a_destination_that_refuses_loses_its_sessions_and_gets_none_for_a_while)
{
    add("a");
    add("a");
    SSL_SESSION *of_b = add("b");
    sessions.refuse("a", at(100));
    UNSIGNED_LONGS_EQUAL(1, sessions.size());
    add("a");
    POINTERS_EQUAL(nullptr, take("a"));
    POINTERS_EQUAL(of_b, take("b"));

    sessions.add("a", make_session(TLS1_3_VERSION), {109'000, noon + day_s}, at(109));
    UNSIGNED_LONGS_EQUAL(0, sessions.size());
    sessions.add("a", make_session(TLS1_3_VERSION), {110'000, noon + day_s}, at(110));
    UNSIGNED_LONGS_EQUAL(1, sessions.size());
}
