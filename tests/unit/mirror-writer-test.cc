// The writer of a mirror: every record acknowledged, and no complete marker on a server that does
// not hold them all. The last tests read a real memcached by the mirror what the writer wrote.
#include "store/mirror_writer.h"

#include "core/key.h"
#include "fake_memcached.h"
#include "poll_loop.h"
#include "real_memcached.h"
#include "store/memcached_mirror.h"
#include "store_asking.h"

#include <memory>
#include <string>

#include <CppUTest/TestHarness.h>

using namespace proxymap;
using namespace store_asking;
using Door = Fake_memcached::Door;

namespace {

const Position position{0x1234, 1, 10};
const Key joe{Kind::user, "joe"};
const Key jane{Kind::user, "jane"};
const std::string joes_line = "user joe host=192.0.2.1";

void check_done(const Result<Done> &done)
{
    CHECK_TEXT(done.ok(), done.ok() ? "" : done.error().message.c_str());
}

void check_refused(const Result<Done> &done, const std::string &because)
{
    CHECK(!done.ok());
    CHECK_TEXT(holds(done.error().message, because), done.error().message.c_str());
}

std::unique_ptr<Mirror_writer> connect_to(const Store_address &address,
                                          const Seal_keys &seal_keys = {})
{
    auto writer = Mirror_writer::connect(address, "pm", seal_keys);
    CHECK_TEXT(writer.ok(), writer.ok() ? "" : writer.error().message.c_str());
    return std::move(*writer);
}

} // namespace

TEST_GROUP(mirror_writer)
{
    Fake_memcached server;
    Store_address address{Store_address::Type::memcached, "127.0.0.1", 0, ""};
    std::unique_ptr<Mirror_writer> writer;

    void setup() override
    {
        address.port = server.port();
        writer = connect_to(address);
    }
    void teardown() override
    {
        writer.reset();
    }
};

TEST(mirror_writer, a_load_ends_with_all_records_and_a_complete_marker)
{
    server.set_item("pm:user:jane", "old");
    check_done(writer->begin(position));
    STRCMP_EQUAL(format_marker({position, false}).c_str(), server.item("pm:marker").c_str());
    check_done(writer->put(record(joes_line, position)));
    check_done(writer->remove(Kind::user, "jane"));
    check_done(writer->remove(Kind::user, "never there"));
    check_done(writer->finish(position));
    STRCMP_EQUAL(stored(joes_line, position).c_str(), server.item("pm:user:joe").c_str());
    STRCMP_EQUAL("", server.item("pm:user:jane").c_str());
    STRCMP_EQUAL(format_marker({position, true}).c_str(), server.item("pm:marker").c_str());
}

TEST(mirror_writer, the_last_of_several_changes_to_a_key_counts)
{
    check_done(writer->begin(position));
    check_done(writer->put(record("user joe host=192.0.2.8", position)));
    check_done(writer->remove(Kind::user, "joe"));
    check_done(writer->put(record(joes_line, position)));
    check_done(writer->put(record("user jane host=192.0.2.8", position)));
    check_done(writer->remove(Kind::user, "jane"));
    check_done(writer->finish(position));
    STRCMP_EQUAL(stored(joes_line, position).c_str(), server.item("pm:user:joe").c_str());
    STRCMP_EQUAL("", server.item("pm:user:jane").c_str());
}

TEST(mirror_writer, more_records_than_a_batch_all_arrive)
{
    check_done(writer->begin(position));
    for (unsigned i = 0; i < 1000; i++) {
        check_done(writer->put(record("user u" + std::to_string(i) + " host=192.0.2.1", position)));
    }
    check_done(writer->finish(position));
    for (unsigned i = 0; i < 1000; i++) {
        CHECK(!server.item("pm:user:u" + std::to_string(i)).empty());
    }
}

TEST(mirror_writer, records_are_sealed_when_there_are_keys)
{
    const Seal_keys keys{"k", {{"k", std::string(32, 'k')}}};
    writer = connect_to(address, keys);
    check_done(writer->begin(position));
    check_done(writer->put(record(joes_line, position)));
    check_done(writer->finish(position));
    const auto text = server.item("pm:user:joe");
    const auto parsed = parse_stored_record(text, Key_case::lower);
    CHECK(parsed.ok());
    CHECK(check_seal(keys, "pm", parsed->signed_text, parsed->seal).ok());
}

TEST(mirror_writer, a_key_that_cannot_seal_is_an_error_and_no_unsealed_record)
{
    writer = connect_to(address, {"absent", {{"k", std::string(32, 'k')}}});
    check_done(writer->begin(position));
    check_refused(writer->put(record(joes_line, position)), "cannot be sealed");
}

TEST(mirror_writer, a_record_without_a_position_is_refused)
{
    check_refused(writer->put(record(joes_line, {})), "pm:user:joe: its record has no position");
}

TEST(mirror_writer, a_full_server_is_an_error_that_names_mirror_key_and_reason)
{
    check_done(writer->begin(position));
    server.set_full(true);
    check_done(writer->put(record(joes_line, position))); // only queued
    const auto done = writer->finish(position);
    check_refused(done, address.text() + ": pm:user:joe: ");
    check_refused(done, "full");
    STRCMP_EQUAL(format_marker({position, false}).c_str(), server.item("pm:marker").c_str());
}

TEST(mirror_writer, a_connection_lost_on_the_way_is_an_error)
{
    check_done(writer->begin(position));
    check_done(writer->put(record(joes_line, position)));
    server.drop_connections();
    CHECK(!writer->finish(position).ok());
    STRCMP_EQUAL(format_marker({position, false}).c_str(), server.item("pm:marker").c_str());
}

TEST(mirror_writer, a_server_restarted_empty_on_the_way_gets_no_complete_marker)
{
    check_done(writer->begin(position));
    check_done(writer->put(record(joes_line, position)));
    server.stop();
    server.clear();
    server.start();
    CHECK(!writer->finish(position).ok());
    CHECK(!holds(server.item("pm:marker"), "complete"));
}

TEST(mirror_writer, a_server_flushed_on_the_way_gets_no_complete_marker)
{
    check_done(writer->begin(position));
    server.clear();
    check_refused(writer->finish(position), "lost its marker");
    STRCMP_EQUAL("", server.item("pm:marker").c_str());
}

TEST(mirror_writer, of_two_writers_only_the_later_one_finishes)
{
    check_done(writer->begin(position));
    const auto other = connect_to(address);
    check_done(other->begin(position));
    check_refused(writer->finish(position), "somebody else");
    check_done(other->finish(position));
}

TEST(mirror_writer, finish_needs_begin)
{
    server.set_item("pm:marker", format_marker({position, false}));
    CHECK(!writer->finish(position).ok());
    check_done(writer->begin(position));
    check_done(writer->finish(position));
    CHECK(!writer->finish(position).ok());
}

TEST(mirror_writer, a_server_that_is_down_is_an_error_that_names_it)
{
    server.stop();
    const auto other = Mirror_writer::connect(address, "pm", {});
    CHECK(!other.ok());
    CHECK(holds(other.error().message, address.text() + ": connecting"));
}

// ---- with a real memcached ----

TEST_GROUP(real_mirror)
{
    Poll_loop loop;
    Newest_position newest;
    std::unique_ptr<Real_memcached> server;
    std::unique_ptr<Store> store;
    Mirror_config config;

    void teardown() override
    {
        store.reset();
    }
    bool start(const std::vector<std::string> &options)
    {
        server = Real_memcached::start(options);
        if (!server) {
            return false;
        }
        config.address = {Store_address::Type::memcached, "", 0, server->socket()};
        config.name_space = "pm";
        config.breaker_pause = 5;
        store = make_memcached_mirror(config, loop, newest);
        load();
        return true;
    }
    void load()
    {
        const auto writer = connect_to(config.address);
        check_done(writer->begin(position));
        check_done(writer->put(record(joes_line, position)));
        check_done(writer->finish(position));
    }
    Answer lookup(const Key &key, std::uint64_t msecs = 8000)
    {
        return ask_one(*store, loop, key, msecs);
    }
};

TEST(real_mirror, what_was_written_is_found_and_what_was_not_is_a_proven_miss)
{
    if (start({"-M"})) {
        const auto answer = lookup(joe);
        CHECK_TEXT(answer.outcome == Outcome::found, answer.why.c_str());
        CHECK(*answer.record->find(Field_id::host, Service::any) == "192.0.2.1");
        CHECK(lookup(jane).outcome == Outcome::missing);
    }
}

TEST(real_mirror, both_markers_come_first_and_last_of_the_reply)
{
    if (start({"-M"})) {
        const auto reply = server->command("get pm:marker pm:user:joe pm:user:jane pm:marker");
        CHECK(reply.starts_with("VALUE pm:marker "));
        CHECK(reply.find("VALUE pm:user:joe ") < reply.rfind("VALUE pm:marker "));
        CHECK(reply.find("VALUE pm:marker ") != reply.rfind("VALUE pm:marker "));
    }
}

TEST(real_mirror, one_that_may_evict_proves_no_miss)
{
    if (start({})) {
        CHECK(lookup(joe).outcome == Outcome::found);
        const auto answer = lookup(jane);
        CHECK(answer.outcome == Outcome::unavailable);
        CHECK_TEXT(holds(answer.why, "evicts"), answer.why.c_str());
    }
}

TEST(real_mirror, one_that_evicts_in_the_place_of_a_good_one_proves_no_miss)
{
    if (start({"-M"})) {
        CHECK(lookup(jane).outcome == Outcome::missing);
        server->restart({});
        load();
        CHECK(lookup(jane).outcome == Outcome::unavailable);
        CHECK(lookup(joe).outcome == Outcome::found);
    }
}

TEST(real_mirror, one_restarted_empty_proves_no_miss)
{
    if (start({"-M"})) {
        CHECK(lookup(joe).outcome == Outcome::found);
        server->restart({"-M"});
        CHECK(lookup(joe).outcome == Outcome::unavailable);
        load();
        CHECK(lookup(joe).outcome == Outcome::found);
        CHECK(lookup(jane).outcome == Outcome::missing);
    }
}

TEST(real_mirror, a_flush_is_no_proven_miss)
{
    if (start({"-M"})) {
        CHECK(lookup(joe).outcome == Outcome::found);
        (void)server->command("flush_all");
        CHECK(lookup(joe).outcome == Outcome::unavailable);
    }
}

TEST(real_mirror, a_stopped_server_is_unavailable_and_recovers_by_itself)
{
    config.timeout = 20;
    config.breaker_failures = 1;
    if (start({"-M"})) {
        CHECK(loop.run_until([&] { return lookup(joe).outcome == Outcome::found; }));
        server->freeze();
        CHECK(lookup(jane, 200).outcome == Outcome::unavailable);
        CHECK(lookup(joe, 200).outcome == Outcome::unavailable);
        server->thaw();
        CHECK(loop.run_until([&] { return lookup(joe).outcome == Outcome::found; }));
        CHECK(loop.run_until([&] { return lookup(jane).outcome == Outcome::missing; }));
    }
}

TEST(real_mirror, the_longest_records_are_written_and_read)
{
    if (start({"-M"})) {
        const auto writer = connect_to(config.address);
        check_done(writer->begin(position));
        const std::string value(500, 'v');
        for (unsigned i = 0; i < 500; i++) {
            std::string line = "user big" + std::to_string(i) + " host=192.0.2.1";
            for (unsigned field = 0; field < 7; field++) {
                line += " forward_f" + std::to_string(field) + "=" + value;
            }
            check_done(writer->put(record(line, position)));
        }
        check_done(writer->finish(position));
        std::vector<Key> keys;
        for (unsigned i = 0; i < 500; i++) {
            keys.push_back({Kind::user, "big" + std::to_string(i)});
        }
        for (const auto &answer : ask(*store, loop, keys)) {
            CHECK_TEXT(answer.outcome == Outcome::found, answer.why.c_str());
        }
    }
}
