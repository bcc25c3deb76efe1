// Lookups over a scripted store and a loop that the test turns by hand.
#include "store/lookups.h"

#include "scripted_store.h"

#include <algorithm>
#include <map>
#include <string>
#include <vector>

#include <CppUTest/TestHarness.h>

using namespace proxymap;

TEST_GROUP(lookups)
{
    Settings settings;
    Credentials credentials;
    Hand_loop loop;
    Map_news news;
    std::deque<Scripted_store::Request> requests;
    std::map<std::string, std::string> map; // "user john" -> line
    std::unique_ptr<Lookups> lookups;
    std::vector<Lookup_result> results;

    void setup() override
    {
        open();
    }
    void open()
    {
        lookups.reset();
        results.clear();
        lookups = std::make_unique<Lookups>(settings, credentials, loop,
                                            std::make_unique<Scripted_store>(&requests), news);
    }

    void login(const std::string &user)
    {
        lookups->start({user, Service::imap},
                       [this](const Lookup_result &result) { results.push_back(result); });
        loop.run_timers(); // the turn is over
    }

    bool cached(const std::string &user, Lookup_result *result_r)
    {
        return lookups->from_cache({user, Service::imap}, result_r);
    }

    void put(const std::string &line)
    {
        Result<Record> record = parse_record(line, Key_case::lower);
        CHECK_TRUE(record.ok());
        map[std::string(to_string(record->kind)) + " " + record->name] = line;
    }

    Answer look_up(const Key &key)
    {
        Answer answer;
        answer.store = "scripted";
        answer.as_of = news.position();
        auto it = map.find(std::string(to_string(key.kind)) + " " + key.name);
        if (it == map.end()) {
            answer.outcome = Outcome::missing;
        } else {
            answer.outcome = Outcome::found;
            answer.record = std::make_shared<Record>(*parse_record(it->second, Key_case::lower));
        }
        return answer;
    }

    // The store answers its oldest request from the map, or with an outage.
    void answer_one(bool up = true)
    {
        CHECK_FALSE(requests.empty());
        Scripted_store::Request request = std::move(requests.front());
        requests.pop_front();
        std::vector<Answer> answers;
        for (const Key &key : request.keys) {
            answers.push_back(up ? look_up(key) : Answer());
            if (!up)
                answers.back().why = "store down";
        }
        request.callback(std::move(answers));
        loop.run_timers();
    }

    static Position at(std::uint64_t sequence)
    {
        return {7, 1, sequence};
    }
    // The map is there, and nobody can say what changed.
    void reach(std::uint64_t sequence, bool confirmed = true)
    {
        CHECK_TRUE(news.advance({{}, at(sequence), {}}));
        if (confirmed)
            news.confirm(at(sequence), monotonic_ms());
    }
    void change(std::uint64_t sequence, const std::vector<Key> &keys)
    {
        CHECK_TRUE(news.advance({news.position(), at(sequence), {false, keys}}));
        news.confirm(at(sequence), monotonic_ms());
    }
    // The oldest request, and what would be its answers now.
    std::pair<Scripted_store::Request, std::vector<Answer>> take()
    {
        CHECK_FALSE(requests.empty());
        auto request = std::move(requests.front());
        requests.pop_front();
        std::vector<Answer> answers;
        for (const Key &key : request.keys)
            answers.push_back(look_up(key));
        return {std::move(request), std::move(answers)};
    }

    void answer_all(bool up = true)
    {
        while (!requests.empty())
            answer_one(up);
    }
};

TEST(lookups, one_request_asks_for_user_domain_and_default_at_once)
{
    login("john@example.com");
    LONGS_EQUAL(1, requests.size());
    LONGS_EQUAL(3, requests[0].keys.size());
    CHECK_TRUE(requests[0].keys[0].kind == Kind::user);
    STRCMP_EQUAL("john@example.com", requests[0].keys[0].name.c_str());
    CHECK_TRUE(requests[0].keys[1].kind == Kind::domain);
    CHECK_TRUE(requests[0].keys[2].kind == Kind::default_route);
    answer_all();
}

TEST(lookups, a_route_is_found_through_its_backend_and_then_comes_from_the_cache)
{
    put("user john backend=b1");
    put("backend b1 host=10.0.0.1");
    login("john");
    answer_all();
    LONGS_EQUAL(1, results.size());
    CHECK_TRUE(results[0].resolution.outcome == Outcome::found);
    STRCMP_EQUAL("10.0.0.1", results[0].resolution.route->host.c_str());
    STRCMP_EQUAL("scripted", std::string(results[0].store).c_str());

    Lookup_result again;
    CHECK_TRUE(cached("john", &again));
    CHECK_TRUE(again.cache == Cache_use::hit);
    STRCMP_EQUAL("10.0.0.1", again.resolution.route->host.c_str());
    CHECK_TRUE(requests.empty());
}

TEST(lookups, what_the_cache_does_not_know_is_asked_for_as_it_says)
{
    put("user john host=10.0.0.1");
    Lookup_result result;
    CHECK_FALSE(cached("john@example.com", &result));
    lookups->start({"john@example.com", Service::imap}, result.resolution.needed,
                   [this](const Lookup_result &found) { results.push_back(found); });
    loop.run_timers();
    LONGS_EQUAL(1, requests.size());
    LONGS_EQUAL(3, requests[0].keys.size());
    answer_all();
    LONGS_EQUAL(1, results.size());
    CHECK_TRUE(results[0].resolution.outcome == Outcome::missing);
}

TEST(lookups, who_is_looked_up_anew_is_asked_for_whatever_the_cache_knows)
{
    const auto anew = [this] {
        lookups->start_anew({"john", Service::imap},
                            [this](const Lookup_result &found) { results.push_back(found); });
        loop.run_timers();
    };
    put("user john host=10.0.0.1");
    login("john");
    answer_all();
    put("user john host=10.0.0.2");
    anew();
    LONGS_EQUAL(1, requests.size());
    answer_all();
    STRCMP_EQUAL("10.0.0.2", results.back().resolution.route->host.c_str());
    Lookup_result after;
    CHECK_TRUE(cached("john", &after));
    STRCMP_EQUAL("10.0.0.2", after.resolution.route->host.c_str());

    anew();
    answer_all(false); // an outage: what was known
    LONGS_EQUAL(3, results.size());
    STRCMP_EQUAL("10.0.0.2", results.back().resolution.route->host.c_str());
    CHECK_TRUE(results.back().cache == Cache_use::stale);
}

TEST(lookups, a_store_that_answers_twice_is_believed_once)
{
    put("user john host=10.0.0.1");
    login("john");
    Scripted_store::Request request = requests.front();
    answer_all();
    request.callback(std::vector<Answer>(request.keys.size()));
    LONGS_EQUAL(1, results.size());
    Lookup_result again;
    CHECK_TRUE(cached("john", &again));
}

TEST(lookups, logins_that_wait_for_one_key_cost_one_request)
{
    put("user john host=10.0.0.1");
    for (int i = 0; i < 100; i++)
        login("john");
    LONGS_EQUAL(1, requests.size());
    answer_all();
    LONGS_EQUAL(100, results.size());
    for (const Lookup_result &result : results)
        STRCMP_EQUAL("10.0.0.1", result.resolution.route->host.c_str());
}

TEST(lookups, logins_of_one_turn_of_the_loop_cost_one_request)
{
    put("user john host=10.0.0.1");
    put("user joe host=10.0.0.2");
    const auto note = [this](const Lookup_result &result) { results.push_back(result); };
    lookups->start({"john", Service::imap}, note);
    lookups->start({"joe", Service::imap}, note);
    CHECK_TRUE(requests.empty());
    loop.run_timers();
    LONGS_EQUAL(1, requests.size());
    answer_all();
    LONGS_EQUAL(2, results.size());
    STRCMP_EQUAL("10.0.0.1", results[0].resolution.route->host.c_str());
    STRCMP_EQUAL("10.0.0.2", results[1].resolution.route->host.c_str());
}

TEST(lookups, a_login_whose_turn_is_not_over_when_auth_stops_is_answered_too)
{
    lookups->start({"john", Service::imap},
                   [this](const Lookup_result &result) { results.push_back(result); });
    lookups.reset();
    LONGS_EQUAL(1, results.size());
    CHECK_TRUE(results[0].resolution.outcome == Outcome::unavailable);
}

TEST(lookups, another_user_that_waits_is_answered_with_his_own_route)
{
    put("user john host=10.0.0.1");
    put("user joe host=10.0.0.2");
    login("john");
    login("joe");
    answer_all();
    LONGS_EQUAL(2, results.size());
    STRCMP_EQUAL("10.0.0.1", results[0].resolution.route->host.c_str());
    STRCMP_EQUAL("10.0.0.2", results[1].resolution.route->host.c_str());
}

TEST(lookups, an_outage_is_never_unknown_user_nor_the_default_route)
{
    put("default * host=10.0.0.9");
    login("somebody");
    answer_all(true);
    CHECK_TRUE(results[0].resolution.outcome == Outcome::found);

    login("john"); // never seen; default is cached and fresh
    answer_all(false);
    CHECK_TRUE(results[1].resolution.outcome == Outcome::unavailable);
    STRCMP_CONTAINS("store down", results[1].resolution.why.c_str());
}

TEST(lookups, an_outage_falls_back_on_the_last_good_route_and_says_that_it_is_stale)
{
    settings.cache_ttl = 0; // at once stale
    open();
    put("user john backend=b1");
    put("backend b1 host=10.0.0.1");
    login("john");
    answer_all();
    login("john");
    answer_all(false);
    LONGS_EQUAL(2, results.size());
    CHECK_TRUE(results[1].resolution.outcome == Outcome::found);
    STRCMP_EQUAL("10.0.0.1", results[1].resolution.route->host.c_str());
    CHECK_TRUE(results[1].cache == Cache_use::stale);
    STRCMP_EQUAL("store down", results[1].outage.c_str());
}

TEST(lookups, a_stale_proven_miss_in_an_outage_is_not_unknown_user)
{
    settings.cache_negative_ttl = 0;
    open();
    login("nobody");
    answer_all();
    CHECK_TRUE(results[0].resolution.outcome == Outcome::missing);
    login("nobody");
    answer_all(false);
    CHECK_TRUE(results[1].resolution.outcome == Outcome::unavailable);
}

TEST(lookups, a_user_routed_by_default_keeps_that_route_in_an_outage)
{
    settings.cache_negative_ttl = 0;
    open();
    put("default * host=10.0.0.9");
    login("guest");
    answer_all();
    login("guest");
    answer_all(false);
    CHECK_TRUE(results[1].resolution.outcome == Outcome::found);
    STRCMP_EQUAL("10.0.0.9", results[1].resolution.route->host.c_str());
    CHECK_TRUE(results[1].cache == Cache_use::stale);
}

TEST(lookups, a_record_that_was_deleted_is_not_remembered_as_stale)
{
    settings.cache_ttl = 0;
    settings.cache_negative_ttl = 0;
    open();
    put("user john host=10.0.0.1");
    login("john");
    answer_all();
    map.clear();
    login("john");
    answer_all();
    CHECK_TRUE(results[1].resolution.outcome == Outcome::missing);
    login("john");
    answer_all(false);
    CHECK_TRUE(results[2].resolution.outcome == Outcome::unavailable);
}

TEST(lookups, a_record_that_is_there_but_unreadable_is_not_overruled_by_a_remembered_miss)
{
    settings.cache_negative_ttl = 0;
    open();
    put("default * host=10.0.0.9");
    login("joe"); // has no record of his own yet
    answer_all();
    CHECK_TRUE(results[0].resolution.outcome == Outcome::found);

    login("joe");
    Scripted_store::Request request = std::move(requests.front());
    requests.pop_front();
    std::vector<Answer> answers(request.keys.size());
    answers[0].why = "bad seal";
    answers[0].present = true;
    request.callback(std::move(answers));
    CHECK_TRUE(results[1].resolution.outcome == Outcome::unavailable);
    STRCMP_CONTAINS("bad seal", results[1].resolution.why.c_str());
}

TEST(lookups, the_backend_lost_in_an_outage_leaves_the_user_unavailable)
{
    put("user john backend=b1");
    login("john");
    answer_one(true);  // the names
    answer_one(false); // the backend
    LONGS_EQUAL(1, results.size());
    CHECK_TRUE(results[0].resolution.outcome == Outcome::unavailable);
}

TEST(lookups, a_time_that_has_run_out_before_the_backend_was_asked_is_unavailable)
{
    settings.lookup_timeout = 0;
    open();
    put("user john backend=b1");
    put("backend b1 host=10.0.0.1");
    login("john");
    answer_all();
    LONGS_EQUAL(1, results.size());
    CHECK_TRUE(results[0].resolution.outcome == Outcome::unavailable);
}

TEST(lookups, everybody_waiting_is_answered_when_auth_stops)
{
    login("john");
    login("joe");
    lookups.reset();
    LONGS_EQUAL(2, results.size());
    CHECK_TRUE(results[0].resolution.outcome == Outcome::unavailable);
    CHECK_TRUE(results[1].resolution.outcome == Outcome::unavailable);
}

TEST(lookups, a_login_that_waits_for_a_backend_when_auth_stops_is_answered_too)
{
    put("user john backend=b1");
    login("john");
    answer_one();
    lookups.reset();
    LONGS_EQUAL(1, results.size());
    CHECK_TRUE(results[0].resolution.outcome == Outcome::unavailable);
}

TEST(lookups, too_many_waiting_logins_are_refused_not_queued_for_ever)
{
    for (int i = 0; i < 20'001; i++)
        login("user" + std::to_string(i));
    loop.run_timers();
    LONGS_EQUAL(1, results.size());
    CHECK_TRUE(results[0].resolution.outcome == Outcome::unavailable);
    STRCMP_CONTAINS("too many", results[0].resolution.why.c_str());
    lookups.reset();
    LONGS_EQUAL(20'001, results.size());
}

// ---- the map changes -----------------------------------------------------------------------

TEST(lookups, what_changed_is_gone_from_the_cache_and_is_not_even_used_in_an_outage)
{
    reach(1);
    put("user john backend=b1");
    put("user joe backend=b1");
    put("backend b1 host=10.0.0.1");
    for (const char *user : {"john", "joe"}) {
        login(user);
        answer_all();
    }
    change(2, {{Kind::user, "john"}});
    Lookup_result result;
    CHECK_FALSE(cached("john", &result));
    Lookup_result other;
    CHECK_TRUE(cached("joe", &other));
    login("john");
    answer_all(false);
    CHECK_TRUE(results.back().resolution.outcome == Outcome::unavailable);
}

TEST(lookups, after_a_reset_nothing_is_fresh_and_all_of_it_is_there_for_an_outage)
{
    reach(1);
    put("user john backend=b1");
    put("backend b1 host=10.0.0.1");
    login("john");
    answer_all();
    reach(9);
    Lookup_result result;
    CHECK_FALSE(cached("john", &result));
    login("john");
    answer_all(false);
    CHECK_TRUE(results.back().resolution.outcome == Outcome::found);
    CHECK_TRUE(results.back().cache == Cache_use::stale);
}

TEST(lookups, what_was_remembered_before_a_reset_is_not_put_together_with_what_came_after)
{
    reach(1);
    put("user john backend=b1");
    put("backend b1 host=10.0.0.1");
    login("john");
    answer_all();
    reach(9);
    login("john");
    answer_one();      // the user, as of now
    answer_one(false); // but not the backend
    CHECK_TRUE(results.back().resolution.outcome == Outcome::unavailable);
}

TEST(lookups, nothing_is_fresh_that_nobody_confirms)
{
    reach(1, false);
    put("user john backend=b1");
    put("backend b1 host=10.0.0.1");
    login("john");
    answer_all();
    Lookup_result result;
    CHECK_FALSE(cached("john", &result));
    news.confirm(at(1), monotonic_ms());
    Lookup_result again;
    CHECK_TRUE(cached("john", &again));
}

TEST(lookups, an_answer_that_a_change_of_its_key_has_overtaken_is_asked_for_again)
{
    reach(1);
    put("user john backend=b1");
    put("backend b1 host=10.0.0.1");
    put("backend b2 host=10.0.0.2");
    login("john");
    auto before = take(); // read as of 1 ...
    put("user john backend=b2");
    change(2, {{Kind::user, "john"}});
    before.first.callback(before.second); // ... but this comes first
    loop.run_timers();
    CHECK_TRUE(results.empty());
    answer_all();
    LONGS_EQUAL(1, results.size());
    STRCMP_EQUAL("10.0.0.2", results[0].resolution.route->host.c_str());
}

TEST(lookups, an_answer_of_unknown_date_is_overtaken_too)
{
    reach(1);
    put("user john backend=b1");
    put("backend b1 host=10.0.0.1");
    login("john");
    auto before = take();
    for (Answer &answer : before.second)
        answer.as_of = {};
    reach(9);
    before.first.callback(before.second);
    loop.run_timers();
    CHECK_TRUE(results.empty());
    answer_all();
    STRCMP_EQUAL("10.0.0.1", results[0].resolution.route->host.c_str());
}

TEST(lookups, a_store_that_is_always_overtaken_is_an_outage)
{
    reach(1);
    put("user john backend=b1");
    login("john");
    for (std::uint64_t sequence = 2; sequence < 10 && results.empty(); sequence++) {
        auto before = take();
        change(sequence, {{Kind::user, "john"}, {Kind::default_route, "*"}});
        before.first.callback(before.second);
        loop.run_timers();
    }
    LONGS_EQUAL(1, results.size());
    CHECK_TRUE(results[0].resolution.outcome == Outcome::unavailable);
}

TEST(lookups, a_user_and_a_backend_of_two_positions_never_meet)
{
    reach(1);
    put("user john backend=b1");
    put("backend b1 host=10.0.0.1");
    login("john");
    answer_one(); // the user, as of 1; the backend is asked for
    put("user john backend=b2");
    put("backend b1 host=10.0.0.99");
    put("backend b2 host=10.0.0.2");
    change(2, {{Kind::user, "john"}, {Kind::backend, "b1"}, {Kind::backend, "b2"}});
    answer_all(); // as of 2
    LONGS_EQUAL(1, results.size());
    STRCMP_EQUAL("10.0.0.2", results[0].resolution.route->host.c_str());
}

TEST(lookups, a_new_user_is_found_right_after_he_was_not)
{
    reach(1);
    login("new");
    answer_all();
    CHECK_TRUE(results.back().resolution.outcome == Outcome::missing);
    put("user new host=10.0.0.1");
    change(2, {{Kind::user, "new"}});
    Lookup_result result;
    CHECK_FALSE(cached("new", &result));
    login("new");
    answer_all();
    CHECK_TRUE(results.back().resolution.outcome == Outcome::found);
}
