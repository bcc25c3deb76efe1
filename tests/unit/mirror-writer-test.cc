// The writer of a mirror: every record acknowledged, and no marker on a server that is not the one
// that took what stands before it.
#include "store/mirror_writer.h"

#include "core/journal.h"
#include "core/key.h"
#include "core/stored_value.h"
#include "fake_memcached.h"
#include "real_memcached.h"
#include "store_asking.h"

#include <memory>
#include <string>

#include <CppUTest/TestHarness.h>

using namespace proxymap;
using namespace store_asking;

namespace {

const Position before{0x1234, 1, 9};
const Position now{0x1234, 1, 10};
const Marker loading{now, Mirror_state::loading};
const Marker complete{now, Mirror_state::complete};
const Seal_keys seal_keys{"k", {{"k", std::string(32, 'k')}}};
const std::string joe = stored("user joe host=192.0.2.1", now);
const std::string old_joe = stored("user joe host=192.0.2.8", before);

void check_done(const Result<Done> &done)
{
    CHECK_TEXT(done.ok(), done.ok() ? "" : done.error().message.c_str());
}

void check_refused(const auto &done, const std::string &because)
{
    CHECK(!done.ok());
    CHECK_TEXT(holds(done.error().message, because), done.error().message.c_str());
}

std::unique_ptr<Mirror_writer> connect_to(const Store_address &address, const Seal_keys &keys = {},
                                          const std::string &name_space = "pm")
{
    auto writer = Mirror_writer::connect(address, name_space, keys);
    CHECK_TEXT(writer.ok(), writer.ok() ? "" : writer.error().message.c_str());
    return std::move(*writer);
}

std::string sealed(const std::string &line)
{
    return line + " seal=" + make_seal(seal_keys, "pm", line);
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
    void check_item(const std::string &value, const std::string &key)
    {
        STRCMP_EQUAL(value.c_str(), server.item(key).c_str());
    }
};

TEST(mirror_writer, what_was_written_is_there_before_the_marker_is)
{
    server.set_item("pm:user:jane", "old");
    CHECK(!(*writer->read_marker()).has_value());
    check_done(writer->write_marker(loading));
    check_item(format_marker(loading), "pm:marker");
    check_done(writer->put("user:joe", joe));
    check_done(writer->remove("user:jane", "user jane", now));
    check_done(writer->remove("user:never", "user never", now));
    check_done(writer->write_marker(complete));
    check_item(joe, "pm:user:joe");
    check_item("", "pm:user:jane");
    check_item(format_marker(complete), "pm:marker");
}

TEST(mirror_writer, the_last_of_several_changes_to_a_key_counts)
{
    check_done(writer->put("user:joe", old_joe));
    check_done(writer->remove("user:joe", "user joe", now));
    check_done(writer->put("user:joe", joe));
    check_done(writer->put("user:jane", stored("user jane host=192.0.2.8", now)));
    check_done(writer->remove("user:jane", "user jane", now));
    check_done(writer->acknowledge());
    check_item(joe, "pm:user:joe");
    check_item("", "pm:user:jane");
}

TEST(mirror_writer, more_records_than_a_batch_all_arrive)
{
    for (unsigned i = 0; i < 3000; i++) {
        const auto name = "u" + std::to_string(i);
        check_done(writer->put("user:" + name, stored("user " + name + " host=192.0.2.1", now)));
    }
    check_done(writer->acknowledge());
    for (unsigned i = 0; i < 3000; i++)
        CHECK(!server.item("pm:user:u" + std::to_string(i)).empty());
}

TEST(mirror_writer, two_versions_stand_beside_each_other)
{
    check_done(writer->put_versions({"user:joe", old_joe, joe}, before, now));
    check_done(writer->put_versions({"user:new", "", stored("user new host=192.0.2.1", now)},
                                    before, now));
    check_done(writer->put_versions(
        {"user:%20gone", stored("user \" gone\" host=192.0.2.1", before), ""}, before, now));
    check_done(writer->acknowledge());
    check_item(old_joe + '\n' + joe, "pm:user:joe");
    check_item(make_tombstone("user new", before) + '\n' + stored("user new host=192.0.2.1", now),
               "pm:user:new");
    check_item(stored("user \" gone\" host=192.0.2.1", before) + '\n' +
                   make_tombstone("user \" gone\"", now),
               "pm:user:%20gone");
    for (const char *name : {"joe", "new", " gone"})
        CHECK(parse_stored_value(server.item(encode_key("pm", Kind::user, name)), Kind::user, name,
                                 Key_case::lower)
                  .ok());
}

TEST(mirror_writer, every_line_is_sealed_when_there_are_keys)
{
    writer = connect_to(address, seal_keys);
    check_done(writer->put("user:joe", joe));
    check_done(writer->put_versions({"user:jane", "", stored("user jane host=192.0.2.1", now)},
                                    before, now));
    check_done(writer->acknowledge());
    check_item(sealed(joe), "pm:user:joe");
    check_item(sealed(make_tombstone("user jane", before)) + '\n' +
                   sealed(stored("user jane host=192.0.2.1", now)),
               "pm:user:jane");
}

TEST(mirror_writer, what_is_removed_stays_as_a_sealed_tombstone_when_there_are_keys)
{
    writer = connect_to(address, seal_keys);
    check_done(writer->remove("user:joe", "user joe", now));
    check_done(writer->acknowledge());
    check_item(sealed(make_tombstone("user joe", now)), "pm:user:joe");
}

TEST(mirror_writer, a_key_that_cannot_seal_is_an_error_and_no_unsealed_record)
{
    writer = connect_to(address, {"absent", seal_keys.keys});
    check_refused(writer->put("user:joe", joe), "cannot be sealed");
    check_refused(writer->remove("user:joe", "user joe", now), "cannot be sealed");
    check_refused(writer->put_versions({"user:joe", old_joe, joe}, before, now),
                  "cannot be sealed");
    check_done(writer->acknowledge());
    check_item("", "pm:user:joe");
}

TEST(mirror_writer, keys_are_those_that_the_reader_asks_for_with_any_namespace)
{
    for (const auto &name_space : {std::string("pm"), std::string(32, '/')}) {
        writer = connect_to(address, {}, name_space);
        for (const std::size_t length : {1U, 80U, 95U, 110U, 150U, 195U, 196U, 500U}) {
            for (const char byte : {'x', ' '}) {
                const std::string name(length, byte);
                const auto text = stored("user \"" + name + "\" host=192.0.2.1", now);
                check_done(writer->put(encode_key({}, Kind::user, name), text));
                check_done(writer->acknowledge());
                check_item(text, encode_key(name_space, Kind::user, name));
            }
        }
    }
}

TEST(mirror_writer, a_journal_entry_is_written_and_an_old_one_goes)
{
    auto position = now;
    position.sequence = mirror_journal_entries + 5;
    for (const char *key : {"pm:log:4", "pm:log:5", "pm:log:5:2", "pm:log:5:16", "pm:log:6"})
        server.set_item(key, "old");
    check_done(writer->put_entry(position, "user joe\n"));
    check_done(writer->acknowledge());
    check_item("v1 pos=0000000000001234.1.1005 parts=1\nuser joe\n", "pm:log:1005");
    for (const char *key : {"pm:log:5", "pm:log:5:2", "pm:log:5:16"})
        check_item("", key);
    check_item("old", "pm:log:4");
    check_item("old", "pm:log:6");
}

TEST(mirror_writer, a_long_journal_entry_is_in_parts)
{
    std::string text;
    for (unsigned i = 0; i < max_journal_keys; i++)
        text += "user u" + std::to_string(i) + "\n";
    check_done(writer->put_entry(now, text));
    check_done(writer->acknowledge());
    const auto parts = split_journal_entry(now, text);
    CHECK(parts.size() > 1);
    check_item(parts[0], "pm:log:10");
    check_item(parts[1], "pm:log:10:2");
}

TEST(mirror_writer, a_full_server_is_an_error_that_names_mirror_key_and_reason)
{
    check_done(writer->write_marker(loading));
    server.set_full(true);
    check_done(writer->put("user:joe", joe)); // only gathered
    const auto done = writer->write_marker(complete);
    check_refused(done, address.text() + ": pm:user:joe: ");
    check_refused(done, "full");
    check_item(format_marker(loading), "pm:marker");
}

TEST(mirror_writer, a_connection_lost_on_the_way_is_an_error)
{
    check_done(writer->write_marker(loading));
    check_done(writer->put("user:joe", joe));
    server.drop_connections();
    CHECK(!writer->write_marker(complete).ok());
    check_item(format_marker(loading), "pm:marker");
}

TEST(mirror_writer, a_server_restarted_empty_on_the_way_gets_no_marker)
{
    check_done(writer->write_marker(loading));
    server.stop();
    server.clear();
    server.start();
    CHECK(!writer->write_marker(complete).ok());
    check_item("", "pm:marker");
}

TEST(mirror_writer, a_server_flushed_on_the_way_gets_no_marker)
{
    check_done(writer->write_marker(loading));
    server.clear();
    check_refused(writer->write_marker(complete), "flushed");
    check_item("", "pm:marker");
}

TEST(mirror_writer, of_two_writers_only_one_goes_on)
{
    const auto other = connect_to(address);
    CHECK(!(*writer->read_marker()).has_value());
    CHECK(!(*other->read_marker()).has_value());
    check_done(other->write_marker(loading));
    check_refused(writer->write_marker(loading), "somebody else");
    writer = connect_to(address);
    CHECK(*writer->read_marker() == loading);
    check_done(writer->write_marker(loading));
    check_refused(other->write_marker(complete), "somebody else");
    check_done(writer->write_marker(complete));
    check_item(format_marker(complete), "pm:marker");
}

TEST(mirror_writer, a_marker_that_is_not_understood_is_an_error)
{
    for (const char *text : {"", "1", "v2 pos=00000000000000ab.1.2 state=complete",
                             "v1 pos=0000000000000000.1.2 state=complete"}) {
        server.set_item("pm:marker", text);
        check_refused(writer->read_marker(), "not a marker that this version knows");
    }
}

TEST(mirror_writer, knows_whether_a_server_holds_anything)
{
    CHECK(*writer->is_empty());
    server.set_item("something", "else");
    CHECK(!*writer->is_empty());
}

TEST(mirror_writer, after_emptying_there_is_nothing_and_a_new_marker_can_be_written)
{
    server.set_item("pm:marker", format_marker(complete));
    server.set_item("pm:user:joe", joe);
    CHECK(*writer->read_marker() == complete);
    check_done(writer->make_empty());
    CHECK(*writer->is_empty());
    check_done(writer->write_marker(loading));
    check_item(format_marker(loading), "pm:marker");
}

TEST(mirror_writer, a_server_that_is_down_is_an_error_that_names_it)
{
    server.stop();
    const auto other = Mirror_writer::connect(address, "pm", {});
    check_refused(other, address.text() + ": connecting");
}

// ---- with a real memcached ----

TEST_GROUP(real_mirror_writer)
{
    std::unique_ptr<Real_memcached> server;
    Store_address address{Store_address::Type::memcached, "", 0, ""};

    bool start(const std::vector<std::string> &options)
    {
        server = Real_memcached::start(options);
        if (server)
            address.path = server->socket();
        return server != nullptr;
    }
};

TEST(real_mirror_writer, writes_markers_records_and_entries)
{
    if (!start({"-M"}))
        return;
    const auto writer = connect_to(address);
    CHECK(*writer->is_empty());
    CHECK(!(*writer->read_marker()).has_value());
    check_done(writer->write_marker(loading));
    for (unsigned i = 0; i < 5000; i++) {
        const auto name = "u" + std::to_string(i);
        check_done(writer->put("user:" + name, stored("user " + name + " host=192.0.2.1", now)));
    }
    check_done(writer->remove("user:u7", "user u7", now));
    check_done(writer->put_entry(now, "user u7\n"));
    check_done(writer->write_marker(complete));
    CHECK(!*writer->is_empty());
    CHECK(holds(server->command("get pm:marker"), format_marker(complete)));
    CHECK(holds(server->command("get pm:user:u4999"), "user u4999"));
    CHECK(!holds(server->command("get pm:user:u7"), "VALUE"));
    CHECK(holds(server->command("get pm:log:10"), "user u7"));
}

TEST(real_mirror_writer, what_is_written_after_emptying_stays)
{
    if (!start({"-M"}))
        return;
    const auto writer = connect_to(address);
    check_done(writer->write_marker(complete));
    check_done(writer->put("user:joe", joe));
    check_done(writer->acknowledge());
    check_done(writer->make_empty());
    CHECK(!holds(server->command("get pm:user:joe"), "VALUE"));
    CHECK(!holds(server->command("get pm:marker"), "VALUE"));
    check_done(writer->write_marker(loading));
    check_done(writer->put("user:joe", joe));
    check_done(writer->write_marker(complete));
    CHECK(holds(server->command("get pm:user:joe"), "VALUE"));
    CHECK(holds(server->command("get pm:marker"), "complete"));
}

TEST(real_mirror_writer, a_server_restarted_on_the_way_is_an_error)
{
    if (!start({"-M"}))
        return;
    const auto writer = connect_to(address);
    check_done(writer->write_marker(loading));
    server->restart({"-M"});
    CHECK(!writer->write_marker(complete).ok());
    CHECK(!holds(server->command("get pm:marker"), "VALUE"));
}

TEST(real_mirror_writer, a_server_without_room_says_so)
{
    if (!start({"-M", "-m", "2"}))
        return;
    const auto writer = connect_to(address);
    Result<Done> done = Done{};
    const std::string fields = " host=192.0.2.1 reason=" + std::string(500, 'x');
    for (unsigned i = 0; i < 100'000 && done; i++) {
        const auto name = "u" + std::to_string(i);
        done = writer->put("user:" + name, stored("user " + name + fields, now));
    }
    check_refused(done, "it is full");
}

TEST(real_mirror_writer, a_server_without_room_loses_nothing_while_its_misses_are_proven)
{
    if (!start({"-M", "-m", "2"}))
        return;
    auto writer = connect_to(address);
    check_done(writer->write_marker(loading));
    check_done(writer->put("user:joe", joe));
    check_done(writer->write_marker(complete));
    Result<Done> done = Done{};
    const std::string fields = " host=192.0.2.1 reason=" + std::string(500, 'x');
    for (unsigned i = 0; i < 100'000 && done; i++) {
        const auto name = "u" + std::to_string(i);
        done = writer->put("user:" + name, stored("user " + name + fields, now));
    }
    check_refused(done, "it is full");
    writer = connect_to(address);
    CHECK(*writer->read_marker() == complete);
    check_done(writer->put("user:joe", stored("user joe" + fields, now)));
    check_refused(writer->acknowledge(), "it is full");
    CHECK(holds(server->command("get pm:user:joe"), joe));
}
