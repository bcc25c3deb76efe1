// src/doveadm-proxymap/mirror_update.cc: what a mirror is sent, what a proxy reads of it meanwhile,
// and that a tool which is killed anywhere leaves nothing half done. Table and mirror are real ones
// but for the network.
#include "doveadm-proxymap/mirror_update.h"

#include "core/journal.h"
#include "core/key.h"
#include "core/stored_value.h"
#include "fake_memcached.h"
#include "poll_loop.h"
#include "store/fault_point.h"
#include "store/lmdb_layout.h"
#include "store/memcached_mirror.h"
#include "store_asking.h"
#include "table_folder.h"

#include <algorithm>
#include <memory>
#include <string>

#include <CppUTest/TestHarness.h>

using namespace proxymap;
using store_asking::holds;

namespace {

// Lines as in a routes file; "-user john" removes.
using Lines = std::vector<std::string>;

std::string message(const auto &result)
{
    return result ? "" : result.error().message;
}

} // namespace

TEST_GROUP(mirror_update)
{
    Table_folder folder;
    Fake_memcached server;
    Configuration configuration;
    std::unique_ptr<Table> table;

    void setup() override
    {
        configuration.settings.stores = {
            {Store_address::Type::memcached, "127.0.0.1", server.port(), ""}};
        open();
    }
    void open()
    {
        table.reset();
        auto opened = Table::open(folder.config(), Table::Mode::write);
        STRCMP_EQUAL("", message(opened).c_str());
        table = std::move(*opened);
    }
    std::string mirror() const
    {
        return configuration.settings.stores[0].text();
    }
    void apply(const Lines &lines)
    {
        for (const auto &line : lines) {
            const bool removes = line.starts_with('-');
            const auto record =
                parse_record(removes ? line.substr(1) + " backend=x" : line, Key_case::lower);
            CHECK_TEXT(record.ok(), line.c_str());
            CHECK((removes ? table->remove(record->kind, record->name) : table->put(*record)).ok());
        }
    }
    void write(const Lines &lines)
    {
        CHECK(table->begin().ok());
        apply(lines);
        STRCMP_EQUAL("", message(table->commit()).c_str());
    }
    void promote(std::uint32_t seen = 0)
    {
        CHECK(table->begin().ok() && table->promote(seen).ok() && table->commit().ok());
    }
    Mirror_report update(bool dry_run = false)
    {
        const auto reports = update_mirrors(configuration, *table, dry_run);
        STRCMP_EQUAL("", message(reports).c_str());
        LONGS_EQUAL(1, reports->size());
        STRCMP_EQUAL(mirror().c_str(), reports->front().mirror.c_str());
        return reports->front();
    }
    void check_update(Mirror_way way, std::uint64_t records)
    {
        const auto report = update();
        STRCMP_EQUAL("", report.error ? report.error->message.c_str() : "");
        LONGS_EQUAL(static_cast<int>(way), static_cast<int>(report.way));
        LONGS_EQUAL(records, report.records);
        check_equal();
    }
    void check_refused(const std::string &because)
    {
        const auto before = server.item("pm:marker");
        const auto report = update();
        CHECK(report.error.has_value());
        CHECK_TEXT(holds(report.error->message, because), report.error->message.c_str());
        CHECK_TEXT(report.error->message.starts_with(mirror() + ": "),
                   report.error->message.c_str());
        STRCMP_EQUAL(before.c_str(), server.item("pm:marker").c_str());
    }
    // The mirror holds the table, the marker, the newest journal entry, and nothing in two
    // versions.
    void check_equal(const Lines &gone = {})
    {
        STRCMP_EQUAL(format_marker({table->position(), Mirror_state::complete}).c_str(),
                     server.item("pm:marker").c_str());
        CHECK(table
                  ->for_each([&](const Record &record) {
                      STRCMP_EQUAL(format_stored_record(record).c_str(),
                                   server.item(encode_key("pm", record.kind, record.name)).c_str());
                      return true;
                  })
                  .ok());
        for (const auto &name : gone)
            STRCMP_EQUAL("", server.item("pm:user:" + name).c_str());
        CHECK((*table->mirror_note(mirror()))->finished == table->position());
    }
    void set_marker(const Position &position, Mirror_state state)
    {
        server.set_item("pm:marker", format_marker({position, state}));
    }
    // What a proxy that has seen nothing before reads of these users: the backend, "missing" or
    // "unavailable"; all of one request.
    std::string read(const Lines &users)
    {
        Poll_loop loop;
        Map_news news;
        Mirror_config config;
        config.address = configuration.settings.stores[0];
        config.name_space = "pm";
        config.timeout = 5000;
        config.seal_keys = configuration.seal_keys;
        const auto store = make_memcached_mirror(config, loop, news);
        std::vector<Key> keys;
        for (const auto &user : users)
            keys.push_back({Kind::user, user});
        std::string text;
        for (const auto &answer : store_asking::ask(*store, loop, keys)) {
            text += text.empty() ? "" : " ";
            text += answer.outcome == Outcome::found
                        ? *answer.record->find(Field_id::backend, Service::any)
                    : answer.outcome == Outcome::missing ? "missing"
                                                         : "unavailable";
        }
        return text;
    }
    // Runs the update (after the change, if there is one) in a child that is killed at the place.
    // False: it never came there.
    bool killed_at(std::string_view place, const Lines &change)
    {
        table.reset();
        const auto how = in_child([&]() -> std::string {
            want_fault(place.data());
            auto opened = Table::open(folder.config(), Table::Mode::write);
            if (!opened)
                return opened.error().message;
            table = std::move(*opened);
            if (!change.empty())
                write(change);
            const auto reports = update_mirrors(configuration, *table);
            (void)table.release(); // as the end of a process leaves it
            return !reports                 ? reports.error().message
                   : reports->front().error ? reports->front().error->message
                                            : "done";
        });
        open();
        CHECK_TEXT(how == "done" || how == "killed by signal 9", how.c_str());
        return how != "done";
    }
};

// ---- what each mirror needs ----

TEST(mirror_update, an_empty_mirror_is_sent_the_whole_table)
{
    write({"user a backend=b1", "user b backend=b1", "domain d backend=b1"});
    check_update(Mirror_way::fill, 3);
    STRCMP_EQUAL("v1 pos=", server.item("pm:log:1").substr(0, 7).c_str());
}

TEST(mirror_update, a_current_mirror_is_sent_nothing)
{
    write({"user a backend=b1"});
    check_update(Mirror_way::fill, 1);
    const auto commands = server.commands().size();
    check_update(Mirror_way::none, 0);
    for (std::size_t i = commands; i < server.commands().size(); i++)
        CHECK(!server.commands()[i].starts_with("set") && !server.commands()[i].starts_with("cas"));
}

TEST(mirror_update, a_mirror_that_follows_is_sent_the_change_alone)
{
    write({"user a backend=b1", "user b backend=b1", "user c backend=b1"});
    check_update(Mirror_way::fill, 3);
    write({"user a backend=b2", "-user b", "user d backend=b2"});
    check_update(Mirror_way::change, 3);
    check_equal({"b"});
    STRCMP_EQUAL("b2 missing b1 b2", read({"a", "b", "c", "d"}).c_str());
    CHECK(holds(server.item("pm:log:2"), "user a\nuser b\nuser d\n"));
}

TEST(mirror_update, of_one_record_alone_no_second_version_is_written)
{
    write({"user a backend=b1"});
    check_update(Mirror_way::fill, 1);
    write({"user a backend=b2"});
    check_update(Mirror_way::change, 1);
    write({"user b backend=b2"});
    check_update(Mirror_way::change, 1);
    for (const auto &command : server.commands())
        CHECK_TEXT(!holds(command, "\n"), command.c_str());
}

TEST(mirror_update, a_transaction_without_changes_moves_the_marker)
{
    write({"user a backend=b1"});
    check_update(Mirror_way::fill, 1);
    write({});
    check_update(Mirror_way::change, 0);
}

TEST(mirror_update, a_mirror_that_missed_changes_catches_up)
{
    write({"user a backend=b1", "user b backend=b1", "user c backend=b1"});
    check_update(Mirror_way::fill, 3);
    write({"user a backend=b2"});
    write({"-user b"});
    write({"user d backend=b2"});
    check_update(Mirror_way::catch_up, 3);
    check_equal({"b"});
    for (const char *key : {"pm:log:2", "pm:log:3", "pm:log:4"})
        CHECK(!server.item(key).empty());
}

TEST(mirror_update, a_mirror_left_behind_or_loading_is_brought_up)
{
    write({"user a backend=b1", "user b backend=b1"});
    check_update(Mirror_way::fill, 2);
    const auto first = table->position();
    write({"user a backend=b2", "-user b"});
    set_marker(first, Mirror_state::behind);
    check_update(Mirror_way::catch_up, 2);
    check_equal({"b"});

    server.set_item("pm:user:b", "user b backend=b1 pos=" + format_position(first));
    set_marker(first, Mirror_state::loading);
    check_update(Mirror_way::fill, 1);
    check_equal({"b"});
}

TEST(mirror_update, one_that_the_journal_cannot_bring_up_is_emptied_first)
{
    write({"user a backend=b1"});
    check_update(Mirror_way::fill, 1);
    server.set_item("pm:user:excess",
                    "user excess backend=b1 pos=" + format_position(table->position()));
    Lines many;
    for (unsigned i = 0; i <= max_journal_keys; i++)
        many.push_back("user u" + std::to_string(i) + " backend=b1");
    write(many);
    write({"user a backend=b2"});
    check_update(Mirror_way::refill, max_journal_keys + 2);
    check_equal({"excess"});
}

TEST(mirror_update, one_of_an_older_epoch_is_emptied_first)
{
    write({"user a backend=b1"});
    check_update(Mirror_way::fill, 1);
    server.set_item("pm:user:excess",
                    "user excess backend=b1 pos=" + format_position(table->position()));
    promote();
    open(); // another host, or another run
    check_update(Mirror_way::refill, 1);
    check_equal({"excess"});
}

TEST(mirror_update, a_promotion_moves_the_marker_of_a_mirror_that_was_current)
{
    write({"user a backend=b1"});
    check_update(Mirror_way::fill, 1);
    promote();
    check_update(Mirror_way::change, 0);
    STRCMP_EQUAL("b1 missing", read({"a", "b"}).c_str());
}

// What died with the old host in versions-middle is in that mirror alone, and nothing names it.
TEST(mirror_update, a_promotion_by_a_host_that_never_wrote_there_empties_it_first)
{
    write({"user a backend=b1"});
    check_update(Mirror_way::fill, 1);
    auto next = table->position();
    next.sequence++;
    server.set_item("pm:user:a", "user a backend=b1 pos=" + format_position(table->position()) +
                                     "\nuser a backend=b9 pos=" + format_position(next));
    CHECK(table->note_mirrors({{mirror(), Position{}}}).ok()); // as where it was never finished
    promote();
    check_update(Mirror_way::refill, 1);
    STRCMP_EQUAL("b1", read({"a"}).c_str());
}

TEST(mirror_update, one_that_lost_its_marker_but_not_its_records_is_emptied_first)
{
    write({"user a backend=b1"});
    check_update(Mirror_way::fill, 1);
    server.set_item("pm:user:excess",
                    "user excess backend=b1 pos=" + format_position(table->position()));
    server.remove_item("pm:marker");
    check_update(Mirror_way::refill, 1);
    check_equal({"excess"});
}

TEST(mirror_update, a_server_that_was_never_written_to_is_not_emptied)
{
    server.set_item("somebody's", "data");
    write({"user a backend=b1"});
    check_update(Mirror_way::fill, 1);
    STRCMP_EQUAL("data", server.item("somebody's").c_str());
}

TEST(mirror_update, nor_by_a_host_that_cannot_know_whether_it_was)
{
    server.set_item("somebody's", "data");
    write({"user a backend=b1"});
    promote();
    check_refused("restart it first");
    STRCMP_EQUAL("data", server.item("somebody's").c_str());
}

TEST(mirror_update, a_mirror_of_another_table_or_newer_is_refused_untouched)
{
    write({"user a backend=b1"});
    auto other = table->position();
    other.table++;
    set_marker(other, Mirror_state::complete);
    check_refused("records of another table");
    other = table->position();
    other.sequence++;
    set_marker(other, Mirror_state::loading);
    check_refused("newer records of this table");
    other = table->position();
    other.epoch++;
    set_marker(other, Mirror_state::complete);
    check_refused("another host is the table's host");
    server.set_item("pm:marker", "rubbish");
    check_refused("not a marker that this version knows");
    STRCMP_EQUAL("", server.item("pm:user:a").c_str());
}

TEST(mirror_update, may_write_looks_at_every_mirror_that_answers)
{
    write({"user a backend=b1"});
    CHECK(may_write(configuration, table->position()).ok());
    set_marker(table->position(), Mirror_state::complete);
    CHECK(may_write(configuration, table->position()).ok());
    auto other = table->position();
    other.epoch++;
    set_marker(other, Mirror_state::complete);
    CHECK(holds(message(may_write(configuration, table->position())), "promote"));
    promote(other.epoch);
    CHECK(may_write(configuration, table->position()).ok());
    server.set_door(Fake_memcached::Door::slammed);
    CHECK(may_write(configuration, other).ok());
}

TEST(mirror_update, each_mirror_is_tried_and_one_that_is_down_named)
{
    Fake_memcached second;
    configuration.settings.stores.push_back({Store_address::Type::lmdb, "", 0, ""});
    configuration.settings.stores.push_back(
        {Store_address::Type::memcached, "127.0.0.1", second.port(), ""});
    write({"user a backend=b1"});
    server.stop();
    const auto reports = update_mirrors(configuration, *table);
    CHECK(reports.ok() && reports->size() == 2);
    CHECK(reports->at(0).error && reports->at(0).error->message.starts_with(mirror()));
    STRCMP_EQUAL("", reports->at(0).done.c_str());
    CHECK(!reports->at(1).error);
    STRCMP_EQUAL("1 record sent (the whole table)", reports->at(1).done.c_str());
    CHECK(!second.item("pm:user:a").empty());
}

TEST(mirror_update, a_table_that_was_never_written_touches_no_mirror)
{
    const auto reports = update_mirrors(configuration, *table);
    CHECK(!reports && holds(reports.error().message, "nothing was ever written to it"));
    STRCMP_EQUAL("", server.item("pm:marker").c_str());
}

TEST(mirror_update, a_full_mirror_is_an_error_and_never_complete)
{
    write({"user a backend=b1"});
    check_update(Mirror_way::fill, 1);
    write({"user a backend=b2", "user b backend=b1"});
    server.set_full(true);
    const auto report = update();
    CHECK(report.error && holds(report.error->message, "full"));
    CHECK(!holds(server.item("pm:marker"), format_position(table->position())));
    STRCMP_EQUAL("b1 missing", read({"a", "b"}).c_str()); // and lost nothing
    server.set_full(false);
    check_update(Mirror_way::change, 2);
}

TEST(mirror_update, a_dry_run_says_what_it_would_do_and_does_nothing)
{
    write({"user a backend=b1", "user b backend=b1"});
    auto report = update(true);
    STRCMP_EQUAL("2 records to send (the whole table)", report.done.c_str());
    STRCMP_EQUAL("", server.item("pm:marker").c_str());
    CHECK(!(*table->mirror_note(mirror())).has_value());
    check_update(Mirror_way::fill, 2);
    write({"user a backend=b2", "-user b"});
    report = update(true);
    STRCMP_EQUAL("2 records to send", report.done.c_str());
    write({"user a backend=b3"});
    report = update(true);
    STRCMP_EQUAL("2 records to send (it was behind)", report.done.c_str());
    CHECK(holds(server.item("pm:user:a"), "b1"));
}

TEST(mirror_update, a_sealed_map_keeps_sealed_tombstones)
{
    configuration.seal_keys = {"k", {{"k", std::string(32, 'k')}}};
    write({"user a backend=b1", "user b backend=b1"});
    STRCMP_EQUAL("", update().error ? "failed" : "");
    write({"user a backend=b2", "-user b"});
    STRCMP_EQUAL("", update().error ? "failed" : "");
    CHECK(holds(server.item("pm:user:b"),
                "user b deleted pos=" + format_position(table->position()) + " seal=k:"));
    STRCMP_EQUAL("b2 missing", read({"a", "b"}).c_str());
}

// ---- killed ----

TEST(mirror_update, killed_anywhere_a_proxy_reads_wholly_the_old_or_wholly_the_new)
{
    const Lines users = {"a", "b", "c", "d"};
    unsigned old_ones = 0;
    unsigned new_ones = 0;
    for (const auto place : fault_points) {
        write({"user a backend=b1", "user b backend=b1", "user c backend=b1", "-user d"});
        CHECK(!update().error.has_value());
        STRCMP_EQUAL("b1 b1 b1 missing", read(users).c_str());

        if (killed_at(place, {"user a backend=b2", "-user b", "user d backend=b2"})) {
            const auto seen = read(users);
            const bool is_old = seen == "b1 b1 b1 missing";
            const bool is_new = seen == "b2 missing b1 b2";
            CHECK_TEXT(is_old || is_new, (std::string(place) + ": " + seen).c_str());
            old_ones += is_old ? 1 : 0;
            new_ones += is_new ? 1 : 0;
        }
        // `sync`: the mirror is what the table is.
        STRCMP_EQUAL("", update().error ? update().error->message.c_str() : "");
        const bool took_place = place != "before-commit";
        STRCMP_EQUAL(took_place ? "b2 missing b1 b2" : "b1 b1 b1 missing", read(users).c_str());
        check_equal(took_place ? Lines{"b"} : Lines{"d"});
        LONGS_EQUAL(static_cast<int>(Mirror_way::none), static_cast<int>(update().way));
    }
    CHECK_EQUAL(6U, old_ones); // up to the journal
    CHECK_EQUAL(3U, new_ones); // from the marker on
}

TEST(mirror_update, killed_anywhere_the_next_write_makes_it_equal_too)
{
    unsigned kills = 0;
    for (const auto place : fault_points) {
        write({"user a backend=b1", "user b backend=b1", "user c backend=b1", "-user d"});
        CHECK(!update().error.has_value());
        kills += killed_at(place, {"user a backend=b2", "-user b", "user d backend=b2"}) ? 1 : 0;
        write({"user c backend=b3"});
        CHECK(!update().error.has_value());
        check_equal(place != "before-commit" ? Lines{"b"} : Lines{"d"});
    }
    CHECK_EQUAL(9U, kills);
}

TEST(mirror_update, killed_while_it_brings_a_mirror_up_nothing_old_is_read_of_it)
{
    unsigned kills = 0;
    for (const auto place : fault_points) {
        write({"user a backend=b1", "user b backend=b1", "user c backend=b1"});
        CHECK(!update().error.has_value());
        write({"user a backend=b2", "-user b"});
        write({"user d backend=b2"});
        if (killed_at(place, {})) {
            kills++;
            STRCMP_EQUAL("unavailable unavailable unavailable unavailable",
                         read({"a", "b", "c", "d"}).c_str());
        }
        CHECK(!update().error.has_value());
        check_equal({"b"});
        write({"-user d"});
        CHECK(!update().error.has_value());
    }
    CHECK_EQUAL(4U, kills);
}

TEST(mirror_update, killed_while_it_fills_one_no_miss_is_proven_there)
{
    unsigned kills = 0;
    for (const auto place : fault_points) {
        server.clear();
        open();
        write({"user a backend=b1", "user b backend=b1"});
        if (killed_at(place, {})) {
            kills++;
            const auto seen = read({"a", "nobody"});
            const bool complete = place == "fill-complete";
            CHECK_TEXT(complete ? seen == "b1 missing"
                                : seen == "b1 unavailable" || seen == "unavailable unavailable",
                       (std::string(place) + ": " + seen).c_str());
        }
        CHECK(!update().error.has_value());
        check_equal();
    }
    CHECK_EQUAL(5U, kills);
}

TEST(mirror_update, killed_while_it_refills_one_nothing_old_is_read_of_it)
{
    unsigned kills = 0;
    for (const auto place : fault_points) {
        write({"user a backend=b1", "user b backend=b1"});
        CHECK(!update().error.has_value());
        write({"user a backend=b2"});
        write({"-user b"});
        promote();
        if (killed_at(place, {})) {
            kills++;
            const auto seen = read({"a", "b"});
            CHECK_TEXT(place == "fill-complete"
                           ? seen == "b2 missing"
                           : seen == "b2 unavailable" || seen == "unavailable unavailable",
                       (std::string(place) + ": " + seen).c_str());
        }
        CHECK(!update().error.has_value());
        check_equal({"b"});
    }
    CHECK_EQUAL(6U, kills);
}

TEST(mirror_update, killed_in_a_large_transaction_a_mirror_is_emptied_or_tidied)
{
    Lines first;
    Lines second;
    for (unsigned i = 0; i <= max_journal_keys; i++) {
        first.push_back("user u" + std::to_string(i) + " backend=b1");
        second.push_back((i % 2 == 0 ? "-user u" : "user u") + std::to_string(i) +
                         (i % 2 == 0 ? "" : " backend=b2"));
    }
    for (const auto place : {"versions-middle", "tidy-middle"}) {
        write(first);
        CHECK(!update().error.has_value());
        CHECK(killed_at(place, second));
        const bool flipped = std::string(place) == "tidy-middle";
        STRCMP_EQUAL(flipped ? "missing b2 missing" : "b1 b1 b1", read({"u0", "u1", "u2"}).c_str());
        const auto report = update();
        CHECK(!report.error.has_value());
        LONGS_EQUAL(static_cast<int>(flipped ? Mirror_way::tidy : Mirror_way::refill),
                    static_cast<int>(report.way));
        STRCMP_EQUAL("missing b2 missing", read({"u0", "u1", "u2"}).c_str());
        check_equal();
    }
}

// ---- the protocol's order ----

TEST(mirror_update, a_server_restarted_empty_is_filled_by_the_next_update)
{
    write({"user a backend=b1"});
    check_update(Mirror_way::fill, 1);
    server.stop();
    server.clear();
    server.start();
    write({"user b backend=b1"});
    check_update(Mirror_way::fill, 2);
}

TEST(mirror_update, a_second_tool_in_between_is_an_error)
{
    write({"user a backend=b1"});
    auto writer = Mirror_writer::connect(configuration.settings.stores[0], "pm", {});
    CHECK(writer.ok());
    CHECK(!(*(*writer)->read_marker()).has_value());
    check_update(Mirror_way::fill, 1);
    CHECK(!(*writer)->write_marker({table->position(), Mirror_state::loading}).ok());
    check_equal();
}

// ---- several mirrors ----

TEST(mirror_update, mirrors_that_need_the_same_are_filled_though_one_of_them_fails)
{
    Fake_memcached second;
    second.set_full(true);
    configuration.settings.stores.push_back(
        {Store_address::Type::memcached, "127.0.0.1", second.port(), ""});
    write({"user a backend=b1", "user b backend=b1"});
    const auto reports = update_mirrors(configuration, *table);
    CHECK_TRUE(reports.ok());
    LONGS_EQUAL(2, reports->size());
    STRCMP_EQUAL("2 records sent (the whole table)", (*reports)[0].done.c_str());
    check_equal();
    const auto name = configuration.settings.stores[1].text();
    STRCMP_EQUAL(name.c_str(), (*reports)[1].mirror.c_str());
    CHECK((*reports)[1].error && (*reports)[1].error->message.starts_with(name + ": "));
    CHECK_FALSE((*table->mirror_note(name))->finished.known());
}

TEST(mirror_update, mirrors_that_need_different_things_get_each_its_own)
{
    write({"user a backend=b1", "user b backend=b1"});
    check_update(Mirror_way::fill, 2);
    Fake_memcached second;
    configuration.settings.stores.push_back(
        {Store_address::Type::memcached, "127.0.0.1", second.port(), ""});
    write({"user a backend=b2"});
    const auto reports = update_mirrors(configuration, *table);
    CHECK_TRUE(reports.ok());
    STRCMP_EQUAL("1 record sent", (*reports)[0].done.c_str());
    STRCMP_EQUAL("2 records sent (the whole table)", (*reports)[1].done.c_str());
    check_equal();
    STRCMP_EQUAL(server.item("pm:user:a").c_str(), second.item("pm:user:a").c_str());
    STRCMP_EQUAL(server.item("pm:marker").c_str(), second.item("pm:marker").c_str());
}
