// The journal in the table: what each transaction changed, how far back, and the table as it was.
#include "store/lmdb_journal.h"

#include "store/lmdb_env.h"
#include "store/lmdb_layout.h"
#include "table_folder.h"

#include <ctime>
#include <memory>
#include <string>

#include <CppUTest/TestHarness.h>

using namespace proxymap;

namespace {

std::string message(const auto &result)
{
    return result ? "" : result.error().message;
}

} // namespace

TEST_GROUP(lmdb_journal)
{
    Table_folder folder;
    std::unique_ptr<Table> table;

    void setup() override
    {
        open();
    }
    void open(std::uint64_t max_size = 64U << 20U)
    {
        table.reset();
        auto config = folder.config();
        config.max_size = max_size;
        auto opened = Table::open(config, Table::Mode::write);
        STRCMP_EQUAL("", message(opened).c_str());
        table = std::move(*opened);
    }
    // "user john backend=b1" puts, "-user john" removes.
    void change(const std::string &line)
    {
        const bool removes = line.starts_with('-');
        const auto record =
            parse_record(removes ? line.substr(1) + " backend=x" : line, Key_case::lower);
        CHECK_TEXT(record.ok(), line.c_str());
        STRCMP_EQUAL(
            "", message(removes ? table->remove(record->kind, record->name) : table->put(*record))
                    .c_str());
    }
    void begin()
    {
        STRCMP_EQUAL("", message(table->begin()).c_str());
    }
    Position commit()
    {
        const auto position = table->commit();
        STRCMP_EQUAL("", message(position).c_str());
        return *position;
    }
    Position write(const std::vector<std::string> &lines)
    {
        begin();
        for (const auto &line : lines)
            change(line);
        return commit();
    }
    void write_many(unsigned count, const std::string &backend)
    {
        begin();
        for (unsigned i = 0; i < count; i++)
            change("user u" + std::to_string(100'000 + i) + " backend=" + backend);
        commit();
    }
    // "user:a user:b", or "reset".
    std::string since(const Position &position)
    {
        const auto changes = table->changes_since(position);
        if (!changes)
            return changes.error().message;
        if (changes->reset)
            return "reset";
        std::string text;
        for (const auto &key : changes->keys)
            text += (text.empty() ? "" : " ") + lmdb_key(key.kind, key.name);
        return text;
    }
    // Behind its first line, which is the time.
    std::string journal_text(const Position &position)
    {
        const std::string text = table->journal_text(position)->value_or("none\nnone");
        return text.substr(text.find('\n') + 1);
    }
    // "user:a: b1 -> b2" of each change of the last commit.
    std::string last_changes()
    {
        const auto value = [](std::string_view text) {
            const auto record = parse_stored_record(text, Key_case::lower);
            return text.empty() ? "-" : record ? record->record.fields[0].value : "?";
        };
        std::string text;
        STRCMP_EQUAL("", message(table->for_each_change([&](const Table_change &change) {
                             text += std::string(change.key) + ' ' + value(change.before) + " to " +
                                     value(change.after) + '\n';
                             return true;
                         })).c_str());
        return text;
    }
};

TEST(lmdb_journal, says_when_it_was)
{
    const auto before = std::time(nullptr);
    const auto position = write({"user a backend=b1"});
    const auto entry = parse_journal_text(**table->journal_text(position));
    CHECK(entry->time >= static_cast<std::uint64_t>(before));
    CHECK(entry->time <= static_cast<std::uint64_t>(std::time(nullptr)));
}

TEST(lmdb_journal, names_what_changed_since_a_position_each_once)
{
    const auto start = table->position();
    const auto first = write({"user a backend=b1", "user b backend=b1"});
    const auto second = write({"user b backend=b2", "-user a", "domain c backend=b1"});
    STRCMP_EQUAL("user:a user:b domain:c", since(start).c_str());
    STRCMP_EQUAL("user:a user:b domain:c", since(first).c_str());
    STRCMP_EQUAL("", since(second).c_str());
    STRCMP_EQUAL("user a\nuser b\n", journal_text(first).c_str());
}

TEST(lmdb_journal, survives_reopening_and_disturbs_no_record)
{
    const auto start = table->position();
    write({"backend b1 host=192.0.2.1", "user a backend=b1", "domain d backend=b1",
           "default * backend=b1"});
    CHECK(table->note_mirrors({{"memcached:127.0.0.1:11211", start}}).ok());
    open();
    STRCMP_EQUAL("user:a domain:d default:%2A backend:b1", since(start).c_str());
    std::string all;
    CHECK(table
              ->for_each([&](const Record &record) {
                  all += format_record(record) + '\n';
                  return true;
              })
              .ok());
    STRCMP_EQUAL("backend b1 host=192.0.2.1\nuser a backend=b1\ndomain d backend=b1\n"
                 "default * backend=b1\n",
                 all.c_str());
}

TEST(lmdb_journal, what_was_not_committed_is_not_in_it)
{
    const auto start = table->position();
    begin();
    change("user a backend=b1");
    table->abort();
    STRCMP_EQUAL("", since(start).c_str());
    write({"user b backend=b1"});
    STRCMP_EQUAL("user:b", since(start).c_str());
}

TEST(lmdb_journal, knows_nothing_of_other_tables_epochs_and_the_future)
{
    auto position = write({"user a backend=b1"});
    auto other = position;
    other.table++;
    STRCMP_EQUAL("reset", since(other).c_str());
    other = position;
    other.epoch--;
    STRCMP_EQUAL("reset", since(other).c_str());
    other = position;
    other.sequence++;
    STRCMP_EQUAL("reset", since(other).c_str());
    STRCMP_EQUAL("reset", since({}).c_str());
}

TEST(lmdb_journal, a_gap_is_a_reset)
{
    const auto start = table->position();
    const auto first = write({"user a backend=b1"});
    write({"user b backend=b1"});
    {
        auto env = Lmdb_env::open(folder.path(), 64U << 20U, Lmdb_env::Mode::write);
        auto txn = (*env)->write();
        CHECK(txn->remove(log_key(first)).ok() && txn->commit().ok());
    }
    STRCMP_EQUAL("reset", since(start).c_str());
    STRCMP_EQUAL("user:b", since(first).c_str());
}

TEST(lmdb_journal, an_entry_that_is_not_understood_is_an_error)
{
    const auto start = table->position();
    const auto first = write({"user a backend=b1"});
    {
        auto env = Lmdb_env::open(folder.path(), 64U << 20U, Lmdb_env::Mode::write);
        auto txn = (*env)->write();
        CHECK(txn->put(log_key(first), "rubbish", false).ok() && txn->commit().ok());
    }
    CHECK(!table->changes_since(start).ok());
}

TEST(lmdb_journal, more_records_than_it_names_are_a_reset)
{
    const auto start = table->position();
    write_many(max_journal_keys, "b1");
    CHECK(since(start) != "reset");
    const auto middle = table->position();
    write_many(max_journal_keys + 1, "b2");
    STRCMP_EQUAL("reset", since(middle).c_str());
    STRCMP_EQUAL("reset", since(start).c_str());
    const auto end = write({"user a backend=b1"});
    STRCMP_EQUAL("reset", since(middle).c_str());
    STRCMP_EQUAL("", since(end).c_str());
}

TEST(lmdb_journal, old_entries_are_let_go)
{
    const auto start = table->position();
    {
        auto env = Lmdb_env::open(folder.path(), 64U << 20U, Lmdb_env::Mode::write);
        auto txn = (*env)->write();
        auto position = start;
        for (std::size_t i = 1; i <= max_log_entries + 5; i++) {
            position.sequence++;
            // which looks through them all
            const bool last = i > max_log_entries;
            CHECK((last ? write_log(*txn, position, "user a\n")
                        : txn->put(log_key(position), "user a\n", false))
                      .ok());
        }
        CHECK(txn->put(position_key, format_position(position), false).ok());
        CHECK(txn->commit().ok());
    }
    auto kept = table->position();
    kept.sequence -= max_log_entries;
    STRCMP_EQUAL("user:a", since(kept).c_str());
    kept.sequence--;
    STRCMP_EQUAL("reset", since(kept).c_str());
    CHECK(!table->journal_text(kept)->has_value());
}

TEST(lmdb_journal, so_many_bytes_stay_and_always_the_newest)
{
    constexpr std::uint64_t room = 256U << 20U;
    open(room);
    const auto start = table->position();
    auto env = Lmdb_env::open(folder.path(), room, Lmdb_env::Mode::write);
    auto txn = (*env)->write();
    auto position = start;
    const std::string text(max_log_bytes / 3, 'x');
    for (int i = 0; i < 4; i++) {
        position.sequence++;
        CHECK(write_log(*txn, position, text).ok());
    }
    const auto entry = [&](std::uint64_t sequence) {
        auto at = start;
        at.sequence += sequence;
        return (*txn->get(log_key(at))).has_value();
    };
    CHECK(!entry(1) && entry(2) && entry(3) && entry(4));
    position.sequence++;
    CHECK(write_log(*txn, position, std::string(max_log_bytes + 1, 'x')).ok());
    CHECK(!entry(4) && entry(5));
}

TEST(lmdb_journal, the_last_commit_is_known_with_what_was_there_before)
{
    write({"user a backend=b1", "user b backend=b1", "user c backend=b1"});
    const auto before = table->position();
    write({"user d backend=b3", "-user a", "user b backend=b2", "-user never"});
    CHECK(table->before_commit() == before);
    STRCMP_EQUAL("user:a b1 to -\nuser:b b1 to b2\nuser:d - to b3\n", last_changes().c_str());
}

TEST(lmdb_journal, so_is_one_of_more_records_than_can_be_named)
{
    write_many(max_journal_keys + 1, "b1");
    begin();
    for (unsigned i = 0; i <= max_journal_keys; i++)
        change("-user u" + std::to_string(100'000 + i));
    change("user a backend=b1");
    change("user v backend=b2");
    change("domain d backend=b2");
    commit();
    unsigned count = 0;
    std::string others;
    CHECK(table
              ->for_each_change([&](const Table_change &change) {
                  if (change.key.starts_with("user:u") && change.after.empty())
                      count++;
                  else
                      others += std::string(change.key) + ' ';
                  return true;
              })
              .ok());
    CHECK_EQUAL(max_journal_keys + 1, count);
    STRCMP_EQUAL("user:a user:v domain:d ", others.c_str());
}

TEST(lmdb_journal, without_a_commit_there_is_no_last_one)
{
    write({"user a backend=b1"});
    open();
    CHECK(!table->before_commit().known());
    CHECK(!table->for_each_change([](const Table_change &) { return true; }).ok());
    begin();
    change("user a backend=b2");
    table->abort();
    CHECK(!table->before_commit().known());
}

TEST(lmdb_journal, what_came_back_to_what_it_was_is_no_change)
{
    write({"user a backend=b1"});
    begin();
    change("user b backend=b1");
    change("-user b");
    commit();
    STRCMP_EQUAL("", last_changes().c_str());
}

TEST(lmdb_journal, notes_of_mirrors_stay_and_leave_the_position_alone)
{
    const auto position = write({"user a backend=b1"});
    CHECK(!(*table->mirror_note("m1")).has_value());
    CHECK(table->note_mirrors({{"m1", position}, {"m2", {}}}).ok());
    open();
    CHECK((*table->mirror_note("m1"))->finished == position);
    CHECK(!(*table->mirror_note("m2"))->finished.known());
    CHECK(table->position() == position);
    begin();
    CHECK(!table->note_mirrors({{"m1", position}}).ok());
}

TEST(lmdb_journal, a_promotion_is_a_higher_epoch_of_the_same_table_and_a_reset)
{
    const auto before = write({"user a backend=b1"});
    begin();
    CHECK(table->promote(0).ok());
    change("user b backend=b1");
    const auto promoted = commit();
    CHECK((promoted == Position{before.table, before.epoch + 1, before.sequence + 1}));
    CHECK((*table->get(Kind::user, "b"))->position == promoted);
    STRCMP_EQUAL("reset", since(before).c_str());
    STRCMP_EQUAL("reset\n", journal_text(promoted).c_str());
    STRCMP_EQUAL("user:b - to b1\n", last_changes().c_str());
    write({"user c backend=b1"});
    STRCMP_EQUAL("user:c", since(promoted).c_str());
}

TEST(lmdb_journal, a_promotion_is_above_every_epoch_that_was_seen)
{
    begin();
    CHECK(table->promote(7).ok());
    LONGS_EQUAL(8, commit().epoch);
}

TEST(lmdb_journal, a_promotion_comes_before_the_records)
{
    begin();
    change("user b backend=b1");
    CHECK(!table->promote(0).ok());
    CHECK(!table->commit().ok());
}
