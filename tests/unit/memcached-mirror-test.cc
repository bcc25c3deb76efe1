// A mirror: what is believed of a memcached server, and what never is.
#include "store/memcached_mirror.h"

#include "core/key.h"
#include "core/proxy_report.h"
#include "core/stored_value.h"
#include "fake_memcached.h"
#include "poll_loop.h"
#include "store_asking.h"

#include <algorithm>
#include <memory>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include <CppUTest/TestHarness.h>

using namespace proxymap;
using namespace store_asking;
using Manner = Fake_memcached::Manner;
using Door = Fake_memcached::Door;

namespace {

const Position now_position{0x1234, 1, 10};
const Position old_position{0x1234, 1, 9};
const Key joe{Kind::user, "joe"};
const Key jane{Kind::user, "jane"};
const Key anybody{Kind::default_route, "*"};
const std::string joes_line = "user joe host=192.0.2.1";

const char *text(const Answer &answer)
{
    return answer.why.c_str();
}

void check_found(const Answer &answer, const std::string &host)
{
    CHECK_TEXT(answer.outcome == Outcome::found, text(answer));
    const auto *found = answer.record->find(Field_id::host, Service::any);
    CHECK(found != nullptr);
    STRCMP_EQUAL(host.c_str(), found->c_str());
}

void check_unavailable(const Answer &answer, const std::string &because)
{
    CHECK_TEXT(answer.outcome == Outcome::unavailable, text(answer));
    CHECK_TEXT(holds(answer.why, because), text(answer));
    CHECK(!answer.record);
}

} // namespace

TEST_GROUP(memcached_mirror)
{
    Poll_loop loop;
    Map_news news;
    Fake_memcached server;
    Mirror_config config;
    std::unique_ptr<Store> store;

    void setup() override
    {
        config.address.type = Store_address::Type::memcached;
        config.address.host = "127.0.0.1";
        config.address.port = server.port();
        config.name_space = "pm";
        config.timeout = 5000;
        config.breaker_failures = 1000;
        config.breaker_pause = 5;
        server.set_item("pm:marker", format_marker({now_position, Mirror_state::complete}));
        server.set_item("pm:user:joe", stored(joes_line, now_position));
        make();
    }
    void teardown() override
    {
        store.reset();
    }
    void make()
    {
        store = make_memcached_mirror(config, loop, news);
    }
    Answer lookup(const Key &key, std::uint64_t msecs = 8000)
    {
        return ask_one(*store, loop, key, msecs);
    }
};

// ---- what a good mirror says ----

TEST(memcached_mirror, a_record_is_found)
{
    const auto answer = lookup(joe);
    check_found(answer, "192.0.2.1");
    CHECK(answer.position == now_position);
    STRCMP_EQUAL(("memcached:127.0.0.1:" + std::to_string(server.port())).c_str(),
                 std::string(answer.store).c_str());
    STRCMP_EQUAL(store->name().c_str(), std::string(answer.store).c_str());
}

TEST(memcached_mirror, a_miss_between_two_good_markers_is_proven)
{
    CHECK_TEXT(lookup(jane).outcome == Outcome::missing, text(lookup(jane)));
    CHECK(news.position() == now_position);
}

TEST(memcached_mirror, each_key_has_its_own_answer)
{
    server.set_item("pm:default:%2A", stored("default * host=192.0.2.9", now_position));
    const auto answers = ask(*store, loop, {joe, jane, anybody});
    check_found(answers[0], "192.0.2.1");
    CHECK(answers[1].outcome == Outcome::missing);
    check_found(answers[2], "192.0.2.9");
}

TEST(memcached_mirror, the_marker_frames_the_keys_of_one_multi_get)
{
    (void)ask(*store, loop, {joe, jane});
    STRCMP_EQUAL("get pm:marker pm:user:joe pm:user:jane pm:marker",
                 server.commands().back().c_str());
}

TEST(memcached_mirror, a_name_that_must_be_hashed_is_found)
{
    const std::string name = std::string(300, 'x') + "@example.org";
    server.set_item(encode_key("pm", Kind::user, name),
                    stored("user " + name + " host=192.0.2.7", now_position));
    check_found(lookup({Kind::user, name}), "192.0.2.7");
}

TEST(memcached_mirror, lookups_that_wait_share_one_request_and_its_keys)
{
    server.behave(Manner::held);
    Lookup first;
    start(*store, &first, {joe}, 8000);
    CHECK(loop.run_until([&] { return server.gets() == 1; }));
    std::vector<Lookup> others(100);
    for (auto &other : others) {
        start(*store, &other, {joe, jane}, 8000);
    }
    server.behave(Manner::honest);
    server.release();
    CHECK(loop.run_until([&] {
        return std::all_of(others.begin(), others.end(), [](auto &one) { return one.answered; });
    }));
    for (const auto &other : others) {
        check_found(other.answers[0], "192.0.2.1");
        CHECK(other.answers[1].outcome == Outcome::missing);
    }
    UNSIGNED_LONGS_EQUAL(2, server.gets());
}

TEST(memcached_mirror, what_one_turn_of_the_loop_asks_for_is_one_request)
{
    std::vector<Lookup> lookups(50);
    for (std::size_t i = 0; i < lookups.size(); i++) {
        start(*store, &lookups[i], {{Kind::user, "nobody" + std::to_string(i)}, joe}, 8000);
    }
    CHECK(loop.run_until([&] {
        return std::all_of(lookups.begin(), lookups.end(), [](auto &one) { return one.answered; });
    }));
    for (const auto &lookup : lookups) {
        CHECK(lookup.answers[0].outcome == Outcome::missing);
        check_found(lookup.answers[1], "192.0.2.1");
    }
    UNSIGNED_LONGS_EQUAL(1, server.gets());
}

TEST(memcached_mirror, many_distinct_keys_all_get_their_answers)
{
    std::vector<Key> keys;
    for (unsigned i = 0; i < 300; i++) {
        const auto name = std::string(150, 'n') + std::to_string(i);
        keys.push_back({Kind::user, name});
        if (i % 2 == 0) {
            server.set_item(encode_key("pm", Kind::user, name),
                            stored("user " + name + " host=192.0.2.1", now_position));
        }
    }
    const auto answers = ask(*store, loop, keys);
    for (std::size_t i = 0; i < keys.size(); i++) {
        CHECK_TEXT(answers[i].outcome == (i % 2 == 0 ? Outcome::found : Outcome::missing),
                   text(answers[i]));
    }
}

// ---- two versions of a record ----

namespace {

const Position next_position{0x1234, 1, 11};
const std::string joes_next_line = "user joe host=192.0.2.2";

void flip(Fake_memcached &server)
{
    server.set_item("pm:marker", format_marker({next_position, Mirror_state::complete}));
}

} // namespace

TEST(memcached_mirror, the_marker_puts_the_second_version_in_force)
{
    server.set_item("pm:user:joe",
                    stored(joes_line, now_position) + '\n' + stored(joes_next_line, next_position));
    check_found(lookup(joe), "192.0.2.1");
    flip(server);
    check_found(lookup(joe), "192.0.2.2");
}

TEST(memcached_mirror, a_record_that_will_be_added_is_a_proven_miss_until_then)
{
    server.set_item("pm:user:joe", make_tombstone("user joe", now_position) + '\n' +
                                       stored(joes_next_line, next_position));
    const auto answer = lookup(joe);
    CHECK_TEXT(answer.outcome == Outcome::missing, text(answer));
    flip(server);
    check_found(lookup(joe), "192.0.2.2");
}

TEST(memcached_mirror, a_record_that_will_be_deleted_is_found_until_then)
{
    server.set_item("pm:user:joe", stored(joes_line, now_position) + '\n' +
                                       make_tombstone("user joe", next_position));
    check_found(lookup(joe), "192.0.2.1");
    flip(server);
    const auto answer = lookup(joe);
    CHECK_TEXT(answer.outcome == Outcome::missing, text(answer));
}

TEST(memcached_mirror, a_tombstone_proves_no_more_than_any_miss)
{
    server.set_item("pm:user:joe", make_tombstone("user joe", now_position));
    server.set_evictions(true);
    check_unavailable(lookup(joe), "evicts");
}

TEST(memcached_mirror, two_versions_without_a_marker_are_not_used)
{
    server.set_item("pm:user:joe",
                    stored(joes_line, now_position) + '\n' + stored(joes_next_line, next_position));
    server.remove_item("pm:marker");
    const auto answer = lookup(joe);
    check_unavailable(answer, "no marker says which is in force");
    CHECK(answer.present);
}

TEST(memcached_mirror,
     two_versions_between_two_markers_that_differ_are_not_used_and_asked_for_again)
{
    server.set_item("pm:user:joe",
                    stored(joes_line, now_position) + '\n' + stored(joes_next_line, next_position));
    server.set_second_marker(format_marker({next_position, Mirror_state::complete}));
    const auto answer = lookup(joe);
    check_unavailable(answer, "its marker changed meanwhile");
    CHECK(answer.present);
    CHECK_EQUAL(2U, server.gets());
}

TEST(memcached_mirror, a_second_version_that_is_not_understood_refuses_the_first)
{
    for (const auto &second :
         {std::string(), std::string("rubbish"), stored("user jane host=192.0.2.2", next_position),
          stored(joes_next_line, now_position), stored(joes_next_line, next_position) + '\n'}) {
        server.set_item("pm:user:joe", stored(joes_line, now_position) + '\n' + second);
        check_unavailable(lookup(joe), "its record is not understood");
    }
}

TEST(memcached_mirror, nothing_is_read_of_a_mirror_that_is_being_brought_up)
{
    server.set_item("pm:marker", format_marker({now_position, Mirror_state::behind}));
    check_unavailable(lookup(joe), "being brought up");
    check_unavailable(lookup(jane), "being brought up");
}

TEST(memcached_mirror, each_version_needs_a_good_seal_of_its_own)
{
    config.seal_keys = {"k", {{"k", std::string(32, 'k')}}};
    config.require_seal = true;
    make();
    const auto seal = [&](const std::string &line) {
        return line + " seal=" + make_seal(config.seal_keys, "pm", line);
    };
    const auto first = stored(joes_line, now_position);
    const auto second = stored(joes_next_line, next_position);
    server.set_item("pm:user:joe", seal(first) + '\n' + seal(second));
    check_found(lookup(joe), "192.0.2.1");
    server.set_item("pm:user:joe", first + '\n' + seal(second));
    check_unavailable(lookup(joe), "no seal");
    server.set_item("pm:user:joe", seal(first) + '\n' + second);
    check_unavailable(lookup(joe), "no seal");
    server.set_item("pm:user:joe", seal(first) + '\n' + second + " seal=k:forged");
    check_unavailable(lookup(joe), "the seal of its record is bad");
}

// ---- a miss that proves nothing ----

TEST(memcached_mirror, an_evicting_server_proves_no_miss_but_its_hits_are_used)
{
    server.set_evictions(true);
    const auto answers = ask(*store, loop, {joe, jane});
    check_found(answers[0], "192.0.2.1");
    check_unavailable(answers[1], "a miss there proves nothing: it evicts");
    CHECK(holds(answers[1].why, store->name() + ": "));
}

TEST(memcached_mirror, a_server_restarted_empty_proves_no_miss_but_its_hits_are_used)
{
    server.remove_item("pm:marker");
    const auto answers = ask(*store, loop, {joe, jane});
    check_found(answers[0], "192.0.2.1");
    check_unavailable(answers[1], "a miss there proves nothing: it has no marker");
    server.clear();
    check_unavailable(lookup(joe), "a miss there proves nothing: it has no marker");
}

TEST(memcached_mirror, one_of_the_two_markers_proves_nothing)
{
    server.behave(Manner::first_marker_only);
    check_unavailable(lookup(jane), "a miss there proves nothing");
    server.behave(Manner::second_marker_only);
    check_unavailable(lookup(jane), "a miss there proves nothing");
    const auto answers = ask(*store, loop, {joe, jane});
    check_found(answers[0], "192.0.2.1");
    check_unavailable(answers[1], "a miss there proves nothing");
}

TEST(memcached_mirror, two_different_markers_prove_nothing)
{
    server.set_second_marker(format_marker({{0x1234, 1, 11}, Mirror_state::complete}));
    check_unavailable(lookup(jane), "its marker changed meanwhile");
    const auto answer = lookup(joe); // of which of the two maps?
    check_unavailable(answer, "its marker changed meanwhile");
    CHECK(answer.overtaken);
    CHECK(!news.position().known());
}

TEST(memcached_mirror, a_mirror_that_is_being_loaded_proves_nothing)
{
    server.set_item("pm:marker", format_marker({now_position, Mirror_state::loading}));
    check_unavailable(lookup(jane), "it is being loaded");
    check_found(lookup(joe), "192.0.2.1");
}

TEST(memcached_mirror, a_mirror_that_is_being_loaded_does_not_make_the_others_old)
{
    server.set_item("pm:marker", format_marker({{0x1234, 1, 99}, Mirror_state::loading}));
    (void)lookup(joe);
    CHECK(news.advance({{}, now_position, {}}));
}

TEST(memcached_mirror, a_required_seal_leaves_no_miss_proven)
{
    config.require_seal = true;
    config.seal_keys = {"k", {{"k", std::string(32, 'k')}}};
    make();
    check_unavailable(lookup(jane), "no seal can prove absence");
}

// ---- a mirror that is not read ----

TEST(memcached_mirror, a_mirror_that_is_behind_is_not_read)
{
    CHECK(news.advance({{}, {0x1234, 1, 11}, {}}));
    const auto answers = ask(*store, loop, {joe, jane});
    check_unavailable(answers[0], "not read: it is behind");
    check_unavailable(answers[1], "not read: it is behind");
}

TEST(memcached_mirror, a_mirror_that_is_behind_is_not_read_while_it_is_loaded)
{
    CHECK(news.advance({{}, now_position, {}}));
    server.set_item("pm:marker", format_marker({old_position, Mirror_state::loading}));
    check_unavailable(lookup(joe), "not read: it is behind");
}

TEST(memcached_mirror, a_mirror_of_a_lower_epoch_is_not_read)
{
    CHECK(news.advance({{}, {0x1234, 2, 1}, {}}));
    check_unavailable(lookup(joe), "not read: it is behind");
}

TEST(memcached_mirror, a_mirror_of_another_table_is_not_read)
{
    CHECK(news.advance({{}, {0x9999, 1, 1}, {}}));
    check_unavailable(lookup(joe), "not read: it holds another table");
}

TEST(memcached_mirror, a_record_of_another_table_is_not_used_without_a_marker_either)
{
    CHECK(news.advance({{}, {0x9999, 1, 1}, {}}));
    server.remove_item("pm:marker");
    check_unavailable(lookup(joe), "not read: it has no marker");
}

TEST(memcached_mirror, a_marker_that_is_not_understood_stops_all_reading)
{
    server.set_item("pm:marker", "v2 something");
    check_unavailable(lookup(joe), "its marker is not understood");
    check_unavailable(lookup(jane), "its marker is not understood");
}

// ---- records that are not used ----

TEST(memcached_mirror, another_ones_record_under_the_asked_key_is_not_used)
{
    server.set_item("pm:user:joe", stored("user jane host=192.0.2.66", now_position));
    check_unavailable(lookup(joe), "another one's");
    server.set_item("pm:user:joe", stored("backend joe host=192.0.2.66", now_position));
    check_unavailable(lookup(joe), "another one's");
}

TEST(memcached_mirror, a_record_that_is_not_understood_is_unavailable_and_hurts_no_other_key)
{
    for (const std::string &value :
         {std::string("rubbish"), std::string(), joes_line, joes_line + "\npos=1",
          "user joe host=192.0.2.1 wrong=secret pos=" + format_position(now_position),
          stored(joes_line, now_position) + "\n"}) {
        server.set_item("pm:user:joe", value);
        const auto answers = ask(*store, loop, {joe, jane});
        check_unavailable(answers[0], "pm:user:joe: its record is not understood");
        CHECK_FALSE(holds(answers[0].why, "secret"));
        CHECK_TEXT(answers[1].outcome == Outcome::missing, text(answers[1]));
    }
    UNSIGNED_LONGS_EQUAL(1, server.connections()); // a record's text is no reason to drop it
}

TEST(memcached_mirror, seals_are_checked)
{
    config.seal_keys = {"k", {{"k", std::string(32, 'k')}}};
    make();
    const auto value = stored(joes_line, now_position);
    const auto seal = make_seal(config.seal_keys, "pm", value);
    check_found(lookup(joe), "192.0.2.1"); // no seal, and none required
    server.set_item("pm:user:joe", value + " seal=" + seal);
    check_found(lookup(joe), "192.0.2.1");
    server.set_item("pm:user:joe",
                    stored("user joe host=192.0.2.66", now_position) + " seal=" + seal);
    check_unavailable(lookup(joe), "the seal of its record is bad");
}

TEST(memcached_mirror, a_record_without_a_required_seal_is_not_used)
{
    config.seal_keys = {"k", {{"k", std::string(32, 'k')}}};
    config.require_seal = true;
    make();
    check_unavailable(lookup(joe), "has no seal");
    const auto value = stored(joes_line, now_position);
    server.set_item("pm:user:joe", value + " seal=" + make_seal(config.seal_keys, "pm", value));
    check_found(lookup(joe), "192.0.2.1");
}

// ---- servers that lie, hang or break ----

TEST(memcached_mirror, a_reply_that_is_not_the_protocols_is_no_answer_to_any_key)
{
    for (const auto manner :
         {Manner::garbage, Manner::error, Manner::other_key, Manner::repeats, Manner::partial,
          Manner::huge_length, Manner::long_key, Manner::closes}) {
        server.behave(manner);
        const auto answers = ask(*store, loop, {joe, jane});
        check_unavailable(answers[0], store->name() + ": ");
        check_unavailable(answers[1], store->name() + ": ");
        server.behave(Manner::honest);
        check_found(lookup(joe), "192.0.2.1");
    }
}

TEST(memcached_mirror, an_odd_reply_ends_its_connection)
{
    (void)lookup(joe);
    UNSIGNED_LONGS_EQUAL(1, server.connections());
    server.behave(Manner::other_key);
    check_unavailable(lookup(joe), "a key that was not asked for");
    server.behave(Manner::honest);
    check_found(lookup(joe), "192.0.2.1");
    UNSIGNED_LONGS_EQUAL(2, server.connections());
}

TEST(memcached_mirror, a_length_beyond_all_numbers_is_survived)
{
    config.timeout = 50;
    make();
    server.behave(Manner::negative_length);
    check_unavailable(lookup(joe), store->name());
    server.behave(Manner::honest);
    check_found(lookup(joe), "192.0.2.1");
}

TEST(memcached_mirror, the_answer_to_another_question_is_never_taken_for_a_miss)
{
    server.behave(Manner::version_in_between);
    CHECK(lookup(jane).outcome != Outcome::missing);
}

TEST(memcached_mirror, a_silent_server_is_unavailable_at_the_deadline)
{
    server.behave(Manner::silent);
    check_unavailable(lookup(joe, 30), "timed out after 30 ms");
}

TEST(memcached_mirror, each_lookup_has_its_own_deadline)
{
    server.behave(Manner::held);
    Lookup patient;
    start(*store, &patient, {joe}, 8000);
    check_unavailable(lookup(jane, 20), "timed out after 20 ms");
    CHECK_FALSE(patient.answered);
    server.behave(Manner::honest);
    server.release();
    CHECK(loop.run_until([&] { return patient.answered; }));
    check_found(patient.answers[0], "192.0.2.1");
}

TEST(memcached_mirror, an_answer_that_came_too_late_is_nobody_elses)
{
    server.set_item("pm:user:jane", stored("user jane host=192.0.2.2", now_position));
    server.behave(Manner::held);
    check_unavailable(lookup(joe, 20), "timed out");
    server.behave(Manner::honest);
    server.release();
    check_found(lookup(jane), "192.0.2.2");
}

TEST(memcached_mirror, a_connection_that_timed_out_is_not_used_again)
{
    config.timeout = 20;
    make();
    server.behave(Manner::held);
    check_unavailable(lookup(joe), "no answer within 20 ms");
    server.behave(Manner::honest);
    server.release();
    CHECK(loop.run_until([&] { return lookup(jane).outcome == Outcome::missing; }));
    CHECK(server.connections() >= 2);
}

TEST(memcached_mirror, a_server_that_closes_or_never_reads_is_unavailable)
{
    config.timeout = 20;
    server.set_door(Door::slammed);
    make();
    check_unavailable(lookup(joe), "connecting");
    server.set_door(Door::deaf);
    make();
    check_unavailable(lookup(joe), "no answer within 20 ms");
    server.set_door(Door::open);
    server.stop();
    make();
    check_unavailable(lookup(joe), "connecting");
}

TEST(memcached_mirror, a_connection_closed_while_idle_is_made_anew_without_a_failure)
{
    check_found(lookup(joe), "192.0.2.1");
    server.drop_connections();
    check_found(lookup(joe), "192.0.2.1");
    UNSIGNED_LONGS_EQUAL(2, server.connections());
}

TEST(memcached_mirror, a_server_that_took_the_place_of_a_proven_one_proves_nothing_by_that)
{
    CHECK(lookup(jane).outcome == Outcome::missing);
    server.stop();
    server.set_evictions(true);
    server.start();
    check_unavailable(lookup(jane), "a miss there proves nothing: it evicts");
}

TEST(memcached_mirror, a_host_name_is_looked_up)
{
    config.address.host = "localhost";
    make();
    check_found(lookup(joe), "192.0.2.1");
}

TEST(memcached_mirror, a_host_name_without_an_address_is_unavailable)
{
    config.address.host = "nowhere.invalid";
    make();
    check_unavailable(lookup(joe), "its name");
}

// ---- names that would be commands ----

TEST(memcached_mirror, no_name_forms_a_command)
{
    for (const std::string &name :
         {std::string("a b"), std::string("a\r\nflush_all\r\n"), std::string("a\0b", 3),
          std::string("\xff\xfe"), std::string("../x"), std::string("%n%s"), std::string("get x"),
          std::string(10'000, 'a'), std::string()}) {
        CHECK(lookup({Kind::user, name}).outcome == Outcome::missing);
    }
    const std::set<std::string> allowed = {"version", "stats", "get", "quit"};
    for (const auto &command : server.commands()) {
        std::istringstream words(command);
        std::string word;
        words >> word;
        CHECK_TEXT(allowed.contains(word), command.c_str());
        while (words >> word) {
            CHECK(word.size() <= max_key_bytes);
            CHECK(word == "settings" || word.starts_with("pm:"));
        }
    }
}

// ---- the breaker ----

TEST(memcached_mirror, after_failures_in_a_row_nobody_waits_until_it_answers_again)
{
    config.breaker_failures = 3;
    make();
    server.behave(Manner::closes);
    for (int i = 0; i < 3; i++) {
        check_unavailable(lookup(joe), "it closed the connection");
    }
    const auto before = server.commands().size();
    const auto gets = server.gets();
    check_unavailable(lookup(joe), "not asked until it is well again, after:");
    // The thread goes on trying by itself, and never with a login's key.
    CHECK(loop.run_until([&] { return server.gets() > gets + 2; }));
    check_unavailable(lookup(joe), "not asked until it is well again, after:");
    const auto commands = server.commands();
    for (auto i = before; i < commands.size(); i++) {
        CHECK_FALSE_TEXT(holds(commands[i], "joe"), commands[i].c_str());
    }
    server.behave(Manner::honest);
    CHECK(loop.run_until([&] { return lookup(joe).outcome == Outcome::found; }));
    CHECK(lookup(jane).outcome == Outcome::missing);
}

TEST(memcached_mirror, the_breaker_opens_on_silence_too_and_ends_all_waiting)
{
    config.breaker_failures = 1;
    make();
    server.behave(Manner::silent);
    Lookup patient;
    start(*store, &patient, {joe}, 9000);
    check_unavailable(lookup(jane, 20), "timed out after 20 ms");
    CHECK(loop.run_until([&] { return patient.answered; }));
    check_unavailable(patient.answers[0], "it did not answer in time");
}

TEST(memcached_mirror, a_success_between_failures_keeps_the_breaker_closed)
{
    config.breaker_failures = 2;
    make();
    for (int i = 0; i < 3; i++) {
        server.behave(Manner::closes);
        check_unavailable(lookup(joe), "it closed the connection");
        server.behave(Manner::honest);
        check_found(lookup(joe), "192.0.2.1");
    }
}

// ---- its end ----

TEST(memcached_mirror, its_end_answers_all_that_wait_and_waits_for_no_server)
{
    server.behave(Manner::silent);
    Lookup first;
    Lookup second;
    start(*store, &first, {joe}, 8000);
    start(*store, &second, {jane, anybody}, 8000);
    CHECK(loop.run_until([&] { return server.gets() > 0; }));
    store.reset();
    CHECK(first.answered);
    // The thread is left in its waiting: it would have said goodbye.
    CHECK(server.commands().back() != "quit");
    CHECK(second.answered);
    check_unavailable(second.answers[1], "the lookup was ended");
}

TEST(memcached_mirror, a_callback_may_end_it)
{
    bool second_answered = false;
    store->get({joe}, monotonic_ms() + 8000, [&](const auto &) { store.reset(); });
    store->get({joe}, monotonic_ms() + 8000, [&](const auto &) { second_answered = true; });
    CHECK(loop.run_until([&] { return !store && second_answered; }));
}

TEST(memcached_mirror, nothing_is_started_before_the_first_lookup)
{
    loop.turn(1);
    UNSIGNED_LONGS_EQUAL(0, server.connections());
}

// ---- what it is told ----

TEST(memcached_mirror, a_poll_shows_its_position_and_tells_it_how_far_this_process_has_followed)
{
    config.proxy_name = "p1";
    make();
    unsigned polls = 0;
    const auto poll = [&] {
        store->poll([&polls] { polls++; });
        const auto wanted = polls + 1;
        CHECK(loop.run_until([&] { return polls == wanted; }));
    };
    poll();
    CHECK(news.position() == now_position);
    poll(); // it has followed to there
    CHECK(loop.run_until([&] { return !server.item("pm:proxy:p1").empty(); }));
    const auto report = parse_proxy_report(server.item("pm:proxy:p1"), "pm", "p1", {});
    CHECK(report.ok());
    CHECK(report->position == now_position);
}

TEST(memcached_mirror, a_change_costs_one_small_read_more)
{
    unsigned polls = 0;
    const auto gets_of_a_poll = [&] {
        const auto before = server.gets();
        const auto wanted = polls + 1;
        store->poll([&polls] { polls++; });
        CHECK(loop.run_until([&] { return polls == wanted; }));
        return server.gets() - before;
    };
    CHECK_EQUAL(1U, gets_of_a_poll());
    std::vector<Key> changed;
    news.listen([&changed](const Journal_entry &entry, const Position &) { changed = entry.keys; });
    server.set_item(journal_key("pm", next_position.sequence, 1),
                    split_journal_entry(next_position, "user joe\n").front());
    server.set_item("pm:marker", format_marker({next_position, Mirror_state::complete}));
    CHECK_EQUAL(2U, gets_of_a_poll());
    CHECK(changed == std::vector<Key>{joe});
    CHECK_EQUAL(1U, gets_of_a_poll());
}

TEST(memcached_mirror, an_empty_server_is_told_nothing)
{
    config.proxy_name = "p1";
    make();
    CHECK(news.advance({{}, now_position, {}}));
    server.clear();
    unsigned polls = 0;
    for (unsigned wanted = 1; wanted <= 3; wanted++) { // the last one waits for what the others say
        store->poll([&polls] { polls++; });
        CHECK(loop.run_until([&] { return polls == wanted; }));
    }
    CHECK(server.item("pm:proxy:p1").empty());
}

TEST(memcached_mirror, one_that_takes_no_report_answers_all_the_same)
{
    config.proxy_name = "p1";
    make();
    CHECK(news.advance({{}, now_position, {}}));
    server.set_full(true);
    unsigned polls = 0;
    for (unsigned wanted = 1; wanted <= 3; wanted++) {
        store->poll([&polls] { polls++; });
        CHECK(loop.run_until([&] { return polls == wanted; }));
    }
    check_found(lookup(joe), "192.0.2.1");
}
