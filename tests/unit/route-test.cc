// Resolving: which record decides, and which backend.
#include "resolving.h"

using namespace proxymap;

TEST_GROUP_BASE(route, Resolving){};

TEST(route, user_domain_and_default_are_asked_for_in_one_request)
{
    STRCMP_EQUAL("user:joe@example.org domain:example.org default:*",
                 asked_for("joe@example.org").c_str());
    STRCMP_EQUAL("user:john default:*", asked_for("john").c_str());
    STRCMP_EQUAL("user:john@ default:*", asked_for("john@").c_str());
}

TEST(route, names_are_folded_as_the_map_is)
{
    STRCMP_EQUAL("user:joe@example.org domain:example.org default:*",
                 asked_for("Joe@Example.ORG").c_str());
    settings.key_case = Key_case::keep;
    STRCMP_EQUAL("user:Joe@Example.ORG domain:Example.ORG default:*",
                 asked_for("Joe@Example.ORG").c_str());
}

TEST(route, the_domain_is_what_stands_behind_the_first_at_sign)
{
    STRCMP_EQUAL("user:a@b@c domain:b@c default:*", asked_for("a@b@c").c_str());
}

TEST(route, the_users_own_record_wins)
{
    map.holds("user joe@a host=10.0.0.1");
    map.holds("domain a host=10.0.0.2");
    map.holds("default * host=10.0.0.3");
    STRCMP_EQUAL("10.0.0.1", route("joe@a").host.c_str());
    STRCMP_EQUAL("user joe@a", record("Joe@A").c_str());
    STRCMP_EQUAL("", route("joe@a").backend.c_str());
    CHECK(!found("joe@a").stale);
}

TEST(route, a_less_specific_record_counts_when_the_others_are_proven_to_be_missing)
{
    map.lacks(Kind::user, "joe@a");
    map.holds("domain a host=10.0.0.2");
    STRCMP_EQUAL("domain a", record("joe@a").c_str());
    map.lacks(Kind::domain, "a");
    map.holds("default * host=10.0.0.3");
    STRCMP_EQUAL("default *", record("joe@a").c_str());
}

TEST(route, a_record_that_cannot_be_read_never_gives_way_to_a_less_specific_one)
{
    map.holds("domain a host=10.0.0.2");
    map.holds("default * host=10.0.0.3");
    map.cannot_read(Kind::user, "joe@a");
    STRCMP_EQUAL("record user joe@a is unavailable: memcached:m1:11211 is down",
                 why_unavailable("joe@a").c_str());
    map.lacks(Kind::user, "joe@a");
    map.cannot_read(Kind::domain, "a");
    STRCMP_EQUAL("record domain a is unavailable: memcached:m1:11211 is down",
                 why_unavailable("joe@a").c_str());
}

TEST(route, only_what_can_still_matter_is_asked_for)
{
    map.holds("user joe@a host=10.0.0.1");
    route("joe@a"); // neither domain nor default were needed

    map.holds("domain b host=10.0.0.2");
    STRCMP_EQUAL("user:joe@b", asked_for("joe@b").c_str());

    map.cannot_read(Kind::domain, "c");
    STRCMP_EQUAL("user:joe@c", asked_for("joe@c").c_str());

    map.lacks(Kind::user, "joe@d");
    STRCMP_EQUAL("domain:d default:*", asked_for("joe@d").c_str());

    map.cannot_read(Kind::user, "joe@e");
    why_unavailable("joe@e");
}

TEST(route, all_proven_to_be_missing_is_missing)
{
    map.lacks(Kind::user, "joe@a");
    map.lacks(Kind::domain, "a");
    map.lacks(Kind::default_route, "*");
    const auto resolution = resolved("joe@a");
    CHECK(resolution.state == Resolution::State::decided);
    CHECK(resolution.outcome == Outcome::missing);
}

TEST(route, an_outage_never_turns_into_unknown_user)
{
    for (int stale = 0; stale < 3; stale++) {
        map.lacks(Kind::user, "joe@a", stale == 0);
        map.lacks(Kind::domain, "a", stale == 1);
        map.lacks(Kind::default_route, "*", stale == 2);
        why_unavailable("joe@a");
    }
}

TEST(route, a_route_is_stale_when_any_part_of_it_is)
{
    map.holds("user john backend=b1");
    map.holds("backend b1 host=10.0.0.1");
    CHECK(!found().stale);
    map.holds("backend b1 host=10.0.0.1", true);
    CHECK(found().stale);
    map.holds("user john backend=b1", true);
    map.holds("backend b1 host=10.0.0.1");
    CHECK(found().stale);
    map.lacks(Kind::user, "john", true);
    map.holds("default * backend=b1");
    CHECK(found().stale);
}

TEST(route, a_name_that_no_record_can_have_is_a_proven_miss_of_all)
{
    map.holds("domain a host=10.0.0.2");
    map.holds("default * host=10.0.0.3");
    for (const std::string &name : {std::string(), std::string("joe\n@a"),
                                    std::string("joe\0@a", 6), std::string(513, 'x') + "@a"}) {
        const auto resolution = resolved(name);
        CHECK(resolution.state == Resolution::State::decided);
        CHECK(resolution.outcome == Outcome::missing);
    }
}

TEST(route, a_client_cannot_choose_its_destination)
{
    map.lacks(Kind::user, "x@127.0.0.1");
    map.lacks(Kind::domain, "127.0.0.1");
    map.holds("default * host=10.0.0.3");
    STRCMP_EQUAL("10.0.0.3", route("x@127.0.0.1").host.c_str());
}

TEST(route, another_records_answer_is_never_used)
{
    map.holds("user jane host=10.0.0.9");
    map.confuses(Kind::user, "john", Kind::user, "jane");
    STRCMP_EQUAL("asked for record user john, got user jane", why_unavailable().c_str());
    map.holds("user john backend=b1");
    map.holds("backend b2 host=10.0.0.9");
    map.confuses(Kind::backend, "b1", Kind::backend, "b2");
    CHECK(contains(why_unavailable(), "asked for record backend b1, got backend b2"));
}

TEST_GROUP_BASE(route_backend, Resolving){};

TEST(route_backend, it_is_asked_for_once_the_record_is_known)
{
    map.holds("user john backend=B1");
    STRCMP_EQUAL("backend:b1", asked_for().c_str());
}

TEST(route_backend, it_fills_in_what_the_record_leaves_open)
{
    map.holds("user john backend=b1 port=1143");
    map.holds("backend b1 host=10.0.0.1 port=143 tls=starttls proxy_timeout=5");
    STRCMP_EQUAL("host=10.0.0.1 port=1143 starttls=yes proxy_timeout=5", fields().c_str());
    STRCMP_EQUAL("b1", route().backend.c_str());
}

TEST(route_backend, each_service_may_have_one_of_its_own)
{
    map.holds("user john backend=b1 backend.pop3=b2");
    map.holds("backend b1 host=10.0.0.1");
    map.holds("backend b2 host=10.0.0.2");
    STRCMP_EQUAL("host=10.0.0.1", fields().c_str());
    STRCMP_EQUAL("host=10.0.0.2", fields("john", Service::pop3).c_str());
}

TEST(route_backend, an_absent_one_is_unavailable_and_never_unknown_user)
{
    map.holds("user john backend=b1");
    map.lacks(Kind::backend, "b1");
    STRCMP_EQUAL("record user john names backend b1, which is absent", why_unavailable().c_str());
}

TEST(route_backend, one_that_cannot_be_read_is_unavailable)
{
    map.holds("user john backend=b1");
    map.cannot_read(Kind::backend, "b1");
    STRCMP_EQUAL("record user john names backend b1, but record backend b1 is unavailable: "
                 "memcached:m1:11211 is down",
                 why_unavailable().c_str());
}

TEST(route_backend, drain_and_down_send_users_to_the_failover)
{
    map.holds("user john backend=b1");
    map.holds("backend b2 host=10.0.0.2 state=up");
    for (const std::string state : {"drain", "down"}) {
        map.holds("backend b1 host=10.0.0.1 port=1143 failover=B2 state=" + state);
        STRCMP_EQUAL("host=10.0.0.2", fields().c_str()); // nothing of b1
        STRCMP_EQUAL("b2", route().backend.c_str());
    }
}

TEST(route_backend, the_failover_is_asked_for_only_when_it_is_needed)
{
    map.holds("user john backend=b1");
    map.holds("backend b1 host=10.0.0.1 failover=b2");
    route();
    map.holds("backend b1 host=10.0.0.1 failover=b2 state=down");
    STRCMP_EQUAL("backend:b2", asked_for().c_str());
}

TEST(route_backend, without_a_usable_failover_it_is_unavailable)
{
    map.holds("user john backend=b1");
    map.holds("backend b1 host=10.0.0.1 state=down");
    STRCMP_EQUAL("backend b1 of record user john is down and names no failover",
                 why_unavailable().c_str());
    map.holds("backend b1 host=10.0.0.1 state=down failover=b2");
    map.lacks(Kind::backend, "b2");
    STRCMP_EQUAL("backend b1 of record user john is down and names failover b2, which is absent",
                 why_unavailable().c_str());
    map.cannot_read(Kind::backend, "b2");
    why_unavailable();
}

TEST(route_backend, there_is_no_second_hop)
{
    map.holds("user john backend=b1");
    map.holds("backend b1 host=10.0.0.1 state=down failover=b2");
    map.holds("backend b3 host=10.0.0.3");
    for (const std::string state : {"drain", "down", "hold"}) {
        map.holds("backend b2 host=10.0.0.2 failover=b3 state=" + state);
        STRCMP_EQUAL("backend b1 of record user john is down, and its failover b2 is not up either",
                     why_unavailable().c_str());
    }
    map.holds("backend b1 host=10.0.0.1 state=down failover=b1");
    why_unavailable();
}

TEST(route_backend, on_hold_it_is_unavailable_even_with_a_failover)
{
    map.holds("user john backend=b1");
    map.holds("backend b2 host=10.0.0.2");
    map.holds("backend b1 host=10.0.0.1 state=hold failover=b2");
    STRCMP_EQUAL("backend b1 of record user john is on hold", why_unavailable().c_str());
}

TEST(route_backend, its_state_may_be_that_of_one_service)
{
    map.holds("user john backend=b1");
    map.holds("backend b1 host=10.0.0.1 state.pop3=hold");
    route();
    why_unavailable("john", Service::pop3);
}

TEST(route_backend, a_user_on_hold_is_unavailable_whatever_the_backend_is)
{
    map.holds("backend b1 host=10.0.0.1 state=up");
    map.holds("domain a host=10.0.0.2");
    map.holds("user john@a backend=b1 state=hold");
    STRCMP_EQUAL("record user john@a is on hold", why_unavailable("john@a").c_str());
    map.holds("user john@a backend=b1 state=up");
    STRCMP_EQUAL("10.0.0.1", route("john@a").host.c_str());
    map.holds("user john@a backend=b1 state.pop3=hold");
    STRCMP_EQUAL("10.0.0.1", route("john@a").host.c_str());
    why_unavailable("john@a", Service::pop3);
}
