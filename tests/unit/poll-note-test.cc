// src/store/poll_note.cc: a replica that nobody follows never looks current.
#include "store/poll_note.h"

#include "table_folder.h"

#include <filesystem>
#include <string>

#include <CppUTest/TestHarness.h>

using namespace proxymap;

namespace {

const Poll_clocks then{5'000'000, 1'700'000'000'000};

// "none" or milliseconds.
std::string age(const Poll_clocks &now, const std::string &text = format_poll_note(then))
{
    const auto msecs = poll_note_age(text, now);
    return msecs ? std::to_string(*msecs) : "none";
}

} // namespace

TEST_GROUP(poll_note)
{
    Table_folder folder;
};

TEST(poll_note, tells_how_long_ago_it_was_written)
{
    STRCMP_EQUAL("0", age(then).c_str());
    STRCMP_EQUAL("1500", age({then.boot + 1500, then.wall + 1500}).c_str());
}

TEST(poll_note, is_as_old_as_the_older_of_its_clocks_says)
{
    STRCMP_EQUAL("9000", age({then.boot + 1000, then.wall + 9000}).c_str());
    STRCMP_EQUAL("9000", age({then.boot + 9000, then.wall + 1000}).c_str());
}

TEST(poll_note, of_before_a_reboot_or_of_a_time_to_come_tells_nothing)
{
    STRCMP_EQUAL("none", age({100, then.wall + 1000}).c_str());
    STRCMP_EQUAL("none", age({then.boot + 1000, then.wall - 2000}).c_str());
    STRCMP_EQUAL("1000", age({then.boot + 1000, then.wall - 10}).c_str()); // a slewed clock
}

TEST(poll_note, that_was_half_written_tells_nothing)
{
    const std::string older = format_poll_note(then);
    const std::string newer = format_poll_note({then.boot + 123'456, then.wall + 123'456});
    const Poll_clocks now{then.boot + 200'000, then.wall + 200'000};
    LONGS_EQUAL(older.size(), newer.size());
    for (std::size_t i = 1; i < older.size(); i++) {
        const std::string torn = newer.substr(0, i) + older.substr(i);
        if (torn != older && torn != newer)
            STRCMP_EQUAL("none", age(now, torn).c_str());
    }
    STRCMP_EQUAL("none", age(now, "").c_str());
    STRCMP_EQUAL("none", age(now, "v1 boot=1 wall=2\nv1 boot=1 wall=2\n").c_str());
    STRCMP_EQUAL("none", age(now, older + "\n").c_str());
}

TEST(poll_note, stands_in_the_replicas_folder_for_whoever_reads_the_replica)
{
    const std::string path = folder.path();
    CHECK(!Poll_note::open(path).ok());
    std::filesystem::create_directory(path);
    CHECK(!Poll_note::open(path).ok()); // no data.mdb, no replica
    write_all(path + "/data.mdb", "");
    CHECK(!read_poll_age(path));
    const auto note = Poll_note::open(path);
    CHECK(note.ok());
    CHECK(!read_poll_age(path)); // nothing was written yet
    CHECK(note->write(poll_clocks()).ok());
    CHECK(read_poll_age(path).has_value());
    CHECK(*read_poll_age(path) < 600'000);
    STRCMP_EQUAL("0640", mode_of(path + "/polled").c_str());
    const Poll_clocks before = poll_clocks();
    CHECK(note->write({before.boot - 50'000, before.wall - 50'000}).ok());
    CHECK(*read_poll_age(path) >= 50'000);
}
