// src/doveadm-proxymap/following.cc: a replica takes the map of one position, or nothing. Table,
// replica and mirror are real ones but for the network.
#include "doveadm-proxymap/following.h"
#include "doveadm-proxymap/mirror_journal.h"
#include "doveadm-proxymap/mirror_update.h"

#include "core/journal.h"
#include "doveadm-proxymap/table_lock.h"
#include "fake_memcached.h"
#include "store/lmdb_layout.h"
#include "store_asking.h"
#include "table_folder.h"

#include <chrono>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include <CppUTest/TestHarness.h>

using namespace proxymap;
using store_asking::holds;

namespace {

using Lines = std::vector<std::string>;

std::string message(const auto &result)
{
    return result ? "" : result.error().message;
}

} // namespace

TEST_GROUP(following)
{
    Table_folder folder;
    Fake_memcached servers[2];
    Configuration configuration;
    std::unique_ptr<Table> table;
    std::unique_ptr<Replica> replica;

    void setup() override
    {
        configuration.settings.stores.clear();
        for (const auto &server : servers)
            configuration.settings.stores.push_back(
                {Store_address::Type::memcached, "127.0.0.1", server.port(), ""});
        auto opened = Table::open(folder.config(), Table::Mode::write);
        table = std::move(*opened);
        auto made = Replica::open(folder.config("replica"));
        STRCMP_EQUAL("", message(made).c_str());
        replica = std::move(*made);
        write({"backend b1 host=h1", "user a backend=b1", "user b backend=b1"});
        copy();
    }
    // As in a routes file; "-user john" removes. Then the mirrors follow.
    void write(const Lines &lines)
    {
        CHECK(table->begin().ok());
        for (const auto &line : lines) {
            const bool removes = line.starts_with('-');
            const auto record =
                parse_record(removes ? line.substr(1) + " backend=x" : line, Key_case::lower);
            CHECK_TEXT(record.ok(), line.c_str());
            CHECK((removes ? table->remove(record->kind, record->name) : table->put(*record)).ok());
        }
        STRCMP_EQUAL("", message(table->commit()).c_str());
        update();
    }
    void update()
    {
        const auto reports = update_mirrors(configuration, *table);
        STRCMP_EQUAL("", message(reports).c_str());
        for (const auto &report : *reports)
            STRCMP_EQUAL("", report.error ? report.error->message.c_str() : "");
    }
    // The replica becomes what the table is.
    void copy()
    {
        CHECK(replica->begin().ok() && replica->clear().ok());
        CHECK(table
                  ->for_each([&](const Record &record) {
                      return replica->put(record.kind, record.name, format_stored_record(record))
                          .ok();
                  })
                  .ok());
        CHECK(replica->commit(table->position()).ok());
    }
    Follow_report poll()
    {
        Following following(configuration, *replica, folder.path("replica"));
        return following.poll();
    }
    static std::string content(Table & of)
    {
        std::string text = format_position(of.position()) + "\n";
        CHECK(of.for_each_text([&](std::string_view, std::string_view record) {
                    text += std::string(record) + "\n";
                    return true;
                }).ok());
        return text;
    }
    std::string content_of_replica() const
    {
        const auto reader = Table::open(folder.config("replica"), Table::Mode::read);
        STRCMP_EQUAL("", message(reader).c_str());
        return content(**reader);
    }
    void check_equal()
    {
        STRCMP_EQUAL(content(*table).c_str(), content_of_replica().c_str());
    }
    void check_state(Follow_state state, const std::string &because)
    {
        const std::string before = content_of_replica();
        const auto report = poll();
        CHECK_TEXT(holds(report.why, because), report.why.c_str());
        LONGS_EQUAL(static_cast<int>(state), static_cast<int>(report.state));
        STRCMP_EQUAL(before.c_str(), content_of_replica().c_str());
    }
    void set_both(const std::string &key, const std::string &value)
    {
        for (auto &server : servers)
            server.set_item(key, value);
    }
};

TEST(following, takes_over_what_changed_and_its_journal)
{
    const auto start = table->position();
    write({"user a backend=b1 destuser=x", "-user b", "user c backend=b1"});
    write({"user c host=h2"});
    const auto report = poll();
    STRCMP_EQUAL("", report.why.c_str());
    CHECK(report.state == Follow_state::current && report.position == table->position());
    LONGS_EQUAL(3, report.records);
    check_equal();
    const auto reader = Table::open(folder.config("replica"), Table::Mode::read);
    LONGS_EQUAL(3, (*reader)->changes_since(start)->keys.size());
    const auto gets = servers[0].gets();
    CHECK(poll().state == Follow_state::current);
    LONGS_EQUAL(gets + 1, servers[0].gets()); // one small read where nothing has changed
}

// The marker moves after it was read, before the records are.
TEST(following, reads_again_what_changed_while_it_read)
{
    write({"user a host=h2", "user b host=h2"});
    configuration.settings.stores.pop_back();
    servers[0].behave(Fake_memcached::Manner::held);
    const auto requests = servers[0].gets();
    Follow_report report;
    std::thread follower([&] { report = poll(); });
    const auto held = [&](unsigned count) {
        while (servers[0].gets() < requests + count)
            std::this_thread::sleep_for(std::chrono::milliseconds(1));
    };
    held(1);
    servers[0].release();
    held(2); // the step's first look: the marker as it was
    servers[0].behave(Fake_memcached::Manner::honest);
    write({"-user a", "user b host=h3"});
    servers[0].release();
    follower.join();
    STRCMP_EQUAL("", report.why.c_str());
    CHECK(report.position == table->position());
    check_equal();
}

TEST(following, takes_nothing_between_two_markers_that_differ)
{
    write({"user a host=h2"});
    for (auto &server : servers)
        server.set_second_marker(
            format_marker({{table->position().table, 1, 99}, Mirror_state::complete}));
    check_state(Follow_state::behind, "its marker changed while it was read");
    for (auto &server : servers)
        server.set_second_marker("");
    CHECK(poll().state == Follow_state::current);
    check_equal();
}

TEST(following, asks_the_next_mirror_where_one_does_not_know)
{
    write({"user a host=h2"});
    servers[0].remove_item("pm:log:2");
    CHECK(poll().state == Follow_state::current);
    check_equal();
    write({"user a host=h3"});
    servers[0].set_item("pm:user:a", "nonsense");
    CHECK(poll().state == Follow_state::current);
    check_equal();
}

TEST(following, needs_an_export_over_a_reset_a_gap_or_another_epoch)
{
    write({"user a host=h2"});
    set_both("pm:log:2", split_journal_entry(table->position(), journal_reset).front());
    check_state(Follow_state::needs_export, "the journal does not say what changed");
    for (auto &server : servers)
        server.remove_item("pm:log:2");
    check_state(Follow_state::needs_export, "the journal does not say what changed");
    auto other = table->position();
    other.epoch = 9;
    set_both("pm:log:2", split_journal_entry(other, "user a\n").front()); // of another epoch
    check_state(Follow_state::needs_export, "the journal does not say what changed");
    set_both("pm:marker", format_marker({other, Mirror_state::complete}));
    check_state(Follow_state::needs_export, "the table has another host");
    other.table++;
    set_both("pm:marker", format_marker({other, Mirror_state::complete}));
    check_state(Follow_state::needs_export, "holds another table");
}

TEST(following, is_not_led_astray_by_a_mirror_that_is_behind)
{
    const std::string old_marker = servers[1].item("pm:marker");
    const std::string old_record = servers[1].item("pm:user:a");
    write({"user a host=h2"});
    servers[1].set_item("pm:marker", old_marker);
    servers[1].set_item("pm:user:a", old_record);
    CHECK(poll().state == Follow_state::current);
    check_equal();
    servers[0].set_door(Fake_memcached::Door::slammed);
    check_state(Follow_state::behind, "the mirrors are behind this replica");
    servers[1].set_item("pm:marker", format_marker({table->position(), Mirror_state::loading}));
    check_state(Follow_state::behind, "it is being filled");
    servers[1].remove_item("pm:marker");
    check_state(Follow_state::behind, "it has no marker");
}

TEST(following, takes_no_miss_for_a_delete_that_is_not_proven)
{
    write({"-user a"});
    for (auto &server : servers)
        server.set_evictions(true);
    check_state(Follow_state::behind, "user a: it is not there, which proves nothing");
    for (auto &server : servers)
        server.set_evictions(false);
    configuration.settings.require_seal = true;
    check_state(Follow_state::behind, "no seal can prove absence");
    configuration.settings.require_seal = false;
    CHECK(poll().state == Follow_state::current);
    check_equal();
}

TEST(following, takes_no_record_of_another_table_or_name)
{
    write({"user a host=h2"});
    set_both("pm:user:a", "user a host=evil pos=00000000000000ff.1.1");
    check_state(Follow_state::behind, "user a: it is a record of another table");
    set_both("pm:user:a", "user b host=evil pos=" + format_position(table->position()));
    check_state(Follow_state::behind, "user a: it is another one's");
}

TEST(following, reads_the_version_that_is_in_force)
{
    const std::string marker = servers[0].item("pm:marker");
    const std::string old_record = servers[0].item("pm:user:a");
    write({"user a host=h2"});
    const auto now = table->position();
    const std::string both = old_record + "\n" + servers[0].item("pm:user:a");
    set_both("pm:user:a", both);
    CHECK(poll().state == Follow_state::current);
    check_equal();
    CHECK(now == poll().position);
}

TEST(following, touches_no_table_of_this_hosts_own)
{
    replica.reset();
    {
        const auto own = Table::open(folder.config("replica"), Table::Mode::write);
        CHECK((*own)->begin().ok() && (*own)->promote(0).ok() && (*own)->commit().ok());
    }
    replica = std::move(*Replica::open(folder.config("replica")));
    check_state(Follow_state::own_table, "this host's table is its own");
}

TEST(following, leaves_it_to_a_command_that_is_writing)
{
    write({"user a host=h2"});
    {
        const auto lock = Table_lock::take(folder.path("replica"));
        CHECK(lock.ok());
        check_state(Follow_state::behind, "another command is writing");
    }
    CHECK(poll().state == Follow_state::current);
}

TEST(following, connects_again_where_a_server_has_closed_the_connection)
{
    Following following(configuration, *replica, folder.path("replica"));
    CHECK(following.poll().state == Follow_state::current);
    for (auto &server : servers)
        server.drop_connections();
    const auto report = following.poll();
    STRCMP_EQUAL("", report.why.c_str());
    CHECK(report.state == Follow_state::current);
}

TEST(following, tells_what_a_mirror_holds_beyond_a_table)
{
    const auto old = table->position();
    write({"user a host=h2", "user c host=h2"});
    write({"user a host=h3"});
    const auto reading = Mirror_reading::connect(configuration.settings.stores[0],
                                                 configuration.settings.name_space);
    const auto beyond = read_beyond(**reading, "pm", old, table->position());
    CHECK(beyond->all_named);
    LONGS_EQUAL(2, beyond->positions);
    LONGS_EQUAL(2, beyond->changes);
    STRCMP_EQUAL("user a", beyond->first[0].c_str());
    servers[0].remove_item("pm:log:2");
    const auto part = read_beyond(**reading, "pm", old, table->position());
    CHECK(!part->all_named);
    LONGS_EQUAL(1, part->changes);
    // Of another epoch, up to its reset.
    CHECK(table->begin().ok() && table->promote(0).ok() && table->commit().ok());
    update();
    write({"user d host=h1"});
    const auto other = read_beyond(**reading, "pm", old, table->position());
    CHECK(!other->all_named);
    STRCMP_EQUAL("user d", other->first[0].c_str());
    LONGS_EQUAL(1, other->changes);
}
