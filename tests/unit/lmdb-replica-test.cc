// src/store/lmdb_replica.cc: nobody but `follow` writes to a replica, until it is promoted.
#include "store/lmdb_replica.h"

#include "store/fault_point.h"
#include "store_asking.h"
#include "table_folder.h"

#include <memory>
#include <string>

#include <CppUTest/TestHarness.h>

using namespace proxymap;
using store_asking::holds;

namespace {

const Position first{0xab, 3, 7};
const Position second{0xab, 3, 8};

std::string message(const auto &result)
{
    return result ? "" : result.error().message;
}

std::string stored(const std::string &line, const Position &position)
{
    return line + " pos=" + format_position(position);
}

} // namespace

TEST_GROUP(lmdb_replica)
{
    Table_folder folder;
    std::unique_ptr<Replica> replica;

    void setup() override
    {
        auto opened = Replica::open(folder.config());
        STRCMP_EQUAL("", message(opened).c_str());
        replica = std::move(*opened);
    }
    void make()
    {
        CHECK(replica->begin().ok() && replica->clear().ok());
        CHECK(replica->put(Kind::user, "john", stored("user john backend=b1", first)).ok());
        STRCMP_EQUAL("", message(replica->commit(first)).c_str());
    }
    std::unique_ptr<Table> table(Table::Mode mode)
    {
        auto opened = Table::open(folder.config(), mode);
        STRCMP_EQUAL("", message(opened).c_str());
        return std::move(*opened);
    }
};

TEST(lmdb_replica, is_nothing_before_its_first_commit)
{
    CHECK(!replica->state()->position.known());
    CHECK(replica->begin().ok());
    CHECK(replica->put(Kind::user, "john", stored("user john backend=b1", first)).ok());
    replica->abort();
    CHECK(!replica->state()->position.known());
    CHECK(!replica->state()->follows);
}

TEST(lmdb_replica, is_read_as_a_table)
{
    make();
    CHECK(replica->state()->position == first && replica->state()->follows);
    const auto reader = table(Table::Mode::read);
    CHECK(reader->position() == first && *reader->follows());
    STRCMP_EQUAL(stored("user john backend=b1", first).c_str(),
                 format_stored_record(**reader->get(Kind::user, "john")).c_str());
}

TEST(lmdb_replica, refuses_every_transaction_of_a_table)
{
    make();
    const auto writer = table(Table::Mode::write);
    const Record record{Kind::user, "x", {}, {}};
    const auto refused = [&](auto &&change) {
        CHECK(writer->begin().ok());
        const auto done = change();
        CHECK_TEXT(holds(message(done), "this host follows the table of another host"),
                   message(done).c_str());
        writer->abort();
    };
    refused([&] { return writer->put(record); });
    refused([&] { return writer->remove(Kind::user, "john"); });
    refused([&] { return writer->commit(); });
    CHECK(holds(message(writer->note_mirrors({{"m", first}})), "this host follows"));
    CHECK(writer->position() == first);
}

TEST(lmdb_replica, becomes_a_table_by_a_promotion_alone)
{
    make();
    const auto writer = table(Table::Mode::write);
    CHECK(writer->begin().ok() && writer->promote(5).ok());
    writer->abort();
    CHECK(*writer->follows());
    CHECK(writer->begin().ok() && writer->promote(5).ok());
    CHECK((*writer->commit() == Position{first.table, 6, first.sequence + 1}));
    CHECK(!*writer->follows());
    CHECK(writer->begin().ok() && writer->remove(Kind::user, "john").ok() && writer->commit().ok());
    CHECK(!replica->state()->follows);
}

TEST(lmdb_replica, knows_what_changed_by_the_journal_that_it_took_over)
{
    make();
    CHECK(replica->begin().ok());
    CHECK(replica->remove(Kind::user, "john").ok());
    CHECK(replica->put(Kind::user, "joe", stored("user joe backend=b1", second)).ok());
    CHECK(replica->log(second, "user joe\nuser john\n").ok());
    CHECK(replica->commit(second).ok());
    const auto reader = table(Table::Mode::read);
    const auto changes = reader->changes_since(first);
    CHECK(!changes->reset);
    LONGS_EQUAL(2, changes->keys.size());
    CHECK(!(*reader->get(Kind::user, "john")).has_value());
}

TEST(lmdb_replica, is_as_before_or_as_after_where_follow_is_killed)
{
    make();
    replica.reset();
    const auto killed_at = [&](const char *place) {
        return in_child([&]() -> std::string {
            want_fault(place);
            auto opened = Replica::open(folder.config());
            if (!opened)
                return message(opened);
            Replica &own = **opened;
            if (!own.begin().ok() || !own.remove(Kind::user, "john").ok() ||
                !own.put(Kind::user, "joe", stored("user joe backend=b1", second)).ok() ||
                !own.log(second, "user joe\nuser john\n").ok())
                return "failed before";
            return message(own.commit(second));
        });
    };
    const auto names = [&] {
        std::string text = format_position(table(Table::Mode::read)->position());
        CHECK(table(Table::Mode::read)
                  ->for_each([&](const Record &record) {
                      text += " " + record.name;
                      return true;
                  })
                  .ok());
        return text;
    };
    STRCMP_EQUAL("killed by signal 9", killed_at("before-commit").c_str());
    STRCMP_EQUAL((format_position(first) + " john").c_str(), names().c_str());
    STRCMP_EQUAL("killed by signal 9", killed_at("after-commit").c_str());
    STRCMP_EQUAL((format_position(second) + " joe").c_str(), names().c_str());
}

TEST(lmdb_replica, that_is_made_anew_has_nothing_of_what_it_was)
{
    STRCMP_EQUAL("", write_lines(folder.config(), {"user old backend=b1"}).c_str());
    {
        const auto before = table(Table::Mode::write);
        CHECK(before->note_mirrors({{"m", before->position()}}).ok());
        CHECK(!replica->state()->follows);
    }
    make();
    const auto reader = table(Table::Mode::read);
    CHECK(!(*reader->get(Kind::user, "old")).has_value());
    CHECK(!(*reader->mirror_note("m")).has_value());
    CHECK(!(*reader->journal_text(first)).has_value());
}
