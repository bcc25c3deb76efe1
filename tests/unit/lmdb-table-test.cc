// The table as the tool reads and writes it: files and permissions, positions, all or nothing.
#include "store_asking.h"
#include "table_folder.h"

#include <grp.h>
#include <lmdb.h>
#include <poll.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <filesystem>
#include <memory>
#include <random>
#include <string>

#include <CppUTest/TestHarness.h>

using namespace proxymap;
using store_asking::holds;

namespace {

std::string message(const auto &result)
{
    return result ? "" : result.error().message;
}

Record line(const std::string &text)
{
    auto record = parse_record(text, Key_case::lower);
    CHECK_TEXT(record.ok(), text.c_str());
    return *record;
}

// Another process that does something, says so, and does the rest when told to.
class Other_process {
  public:
    Other_process(const std::function<void()> &first, const std::function<void()> &rest)
    {
        int said[2];
        int told[2];
        CHECK(pipe(said) == 0 && pipe(told) == 0);
        pid_ = fork();
        if (pid_ == 0) {
            close(told[1]);
            char byte = '.';
            first();
            if (write(said[1], &byte, 1) == 1 && read(told[0], &byte, 1) == 1)
                rest();
            _exit(write(said[1], &byte, 1) == 1 ? 0 : 1);
        }
        close(said[1]);
        close(told[0]);
        said_ = said[0];
        told_ = told[1];
    }
    Other_process(const Other_process &) = delete;
    Other_process &operator=(const Other_process &) = delete;
    ~Other_process()
    {
        kill(SIGKILL);
        close(said_);
        close(told_);
    }

    // Whether it says something within that time.
    bool says(int msecs)
    {
        struct pollfd fd {
            said_, POLLIN, 0
        };
        char byte = 0;
        return poll(&fd, 1, msecs) == 1 && read(said_, &byte, 1) == 1;
    }
    void tell() { CHECK(write(told_, ".", 1) == 1); }
    void kill(int signal)
    {
        if (pid_ > 0) {
            ::kill(pid_, signal);
            waitpid(pid_, nullptr, 0);
        }
        pid_ = -1;
    }

  private:
    pid_t pid_ = -1;
    int said_ = -1;
    int told_ = -1;
};

constexpr int long_enough = 10'000;

// What put_much() puts: several of the pieces in which a first transaction is written.
constexpr unsigned many_records = 8000;
constexpr std::uint64_t many_bytes = many_records * 4000ULL;

} // namespace

TEST_GROUP(lmdb_table)
{
    Table_folder folder;
    std::unique_ptr<Table> table;

    void open(Table::Mode mode = Table::Mode::write)
    {
        open(folder.config(), mode);
    }

    void open(const Table_config &config, Table::Mode mode = Table::Mode::write)
    {
        table.reset();
        auto opened = Table::open(config, mode);
        STRCMP_EQUAL("", message(opened).c_str());
        table = std::move(*opened);
    }

    Table_config with_room_for_much() const
    {
        Table_config config = folder.config();
        config.max_size = 8 * many_bytes;
        return config;
    }

    void write(const std::vector<std::string> &lines)
    {
        STRCMP_EQUAL("", write_lines(folder.config(), lines).c_str());
    }

    std::string read(Kind kind, const std::string &name)
    {
        const auto record = table->get(kind, name);
        if (!record)
            return record.error().message;
        return *record ? format_record(**record) : "absent";
    }

    // Why it was refused; empty: it was not.
    static std::string put_much(Table & into)
    {
        Record record = line("user u backend=b1");
        for (int i = 0; i < 8; i++) // a field's value is at most 512 bytes
            record.fields.push_back({Field_id::forward_prefix, Service::any,
                                     "f" + std::to_string(i), std::string(480, 'x')});
        std::string why;
        for (unsigned i = 0; i < many_records && why.empty(); i++) {
            record.name = "u" + std::to_string(i);
            why = message(into.put(record));
        }
        return why;
    }

    std::uint64_t file_bytes()
    {
        return std::filesystem::file_size(folder.path() + "/data.mdb");
    }

    std::string all()
    {
        std::string text;
        STRCMP_EQUAL("", message(table->for_each([&](const Record &record) {
                             text += format_record(record) + '\n';
                             return true;
                         })).c_str());
        return text;
    }
};

TEST(lmdb_table, a_new_table_has_the_modes_that_auth_needs_whatever_the_umask)
{
    for (const mode_t mask : {mode_t{0}, mode_t{0077}}) {
        const mode_t before = umask(mask);
        open();
        umask(before);
        STRCMP_EQUAL("0750", mode_of(folder.path()).c_str());
        STRCMP_EQUAL("0640", mode_of(folder.path() + "/data.mdb").c_str());
        STRCMP_EQUAL("0660", mode_of(folder.path() + "/lock.mdb").c_str());
        table.reset();
        std::filesystem::remove_all(folder.path());
    }
}

TEST(lmdb_table, a_new_table_of_root_is_of_dovecots_group)
{
    const struct group *dovecot = getgrnam("dovecot");
    if (geteuid() != 0 || dovecot == nullptr)
        return;
    open();
    for (const char *name : {"", "/data.mdb", "/lock.mdb"}) {
        struct stat status {};
        LONGS_EQUAL(0, stat((folder.path() + name).c_str(), &status));
        LONGS_EQUAL(dovecot->gr_gid, status.st_gid);
    }
}

TEST(lmdb_table, what_exists_keeps_its_modes)
{
    open();
    table.reset();
    chmod(folder.path().c_str(), 0700);
    chmod((folder.path() + "/data.mdb").c_str(), 0600);
    open();
    STRCMP_EQUAL("0700", mode_of(folder.path()).c_str());
    STRCMP_EQUAL("0600", mode_of(folder.path() + "/data.mdb").c_str());
}

TEST(lmdb_table, a_reader_makes_a_missing_lock_file_with_the_modes_that_auth_needs)
{
    write({"user john backend=b1"});
    std::filesystem::remove(folder.path() + "/lock.mdb");
    const mode_t before = umask(0777);
    open(Table::Mode::read);
    umask(before);
    STRCMP_EQUAL("0660", mode_of(folder.path() + "/lock.mdb").c_str());
}

TEST(lmdb_table, a_new_table_starts_at_sequence_zero_of_epoch_one_with_an_id_of_its_own)
{
    open();
    const Position first = table->position();
    CHECK(first.known());
    LONGS_EQUAL(1, first.epoch);
    LONGS_EQUAL(0, first.sequence);
    open();
    CHECK(first == table->position());
    auto other = Table::open(folder.config("other"), Table::Mode::write);
    CHECK(other.ok() && (*other)->position().table != first.table);
}

TEST(lmdb_table, each_commit_is_the_next_position_and_its_records_bear_it)
{
    open();
    const Position before = table->position();
    CHECK(table->begin().ok());
    CHECK(table->put(line("user john backend=b1")).ok());
    CHECK(table->put(line("user joe backend=b1")).ok());
    const Position expected = table->next_position();
    LONGS_EQUAL(before.sequence + 1, expected.sequence);
    const auto committed = table->commit();
    CHECK(committed.ok() && *committed == expected && table->position() == expected);
    CHECK((*table->get(Kind::user, "john"))->position == expected);

    CHECK(table->begin().ok());
    CHECK(table->put(line("user joe backend=b2")).ok());
    CHECK(table->commit().ok());
    LONGS_EQUAL(before.sequence + 2, table->position().sequence);
    CHECK((*table->get(Kind::user, "john"))->position == expected);
    LONGS_EQUAL(before.sequence + 2, (*table->get(Kind::user, "joe"))->position.sequence);
}

TEST(lmdb_table, without_a_commit_nothing_happened)
{
    write({"user john backend=b1"});
    open();
    const Position before = table->position();
    CHECK(table->begin().ok());
    CHECK(table->put(line("user joe backend=b1")).ok());
    CHECK(table->remove(Kind::user, "john").ok());
    STRCMP_EQUAL("user joe backend=b1\n", all().c_str());
    STRCMP_EQUAL("absent", read(Kind::user, "john").c_str());
    table->abort();
    STRCMP_EQUAL("user john backend=b1\n", all().c_str());
    CHECK(table->begin().ok());
    CHECK(table->remove(Kind::user, "john").ok());
    open(); // destroys the first one
    STRCMP_EQUAL("user john backend=b1\n", all().c_str());
    CHECK(before == table->position());
}

TEST(lmdb_table, removing_what_is_absent_is_no_error)
{
    write({"user john backend=b1", "-user joe"});
    open(Table::Mode::read);
    STRCMP_EQUAL("user john backend=b1\n", all().c_str());
}

TEST(lmdb_table, comes_in_order_of_kind_and_name)
{
    write({"default * backend=b1", "user b backend=b2", "domain d.example backend=b1",
           "backend b2 host=192.0.2.2", "user a backend=b1", "backend b1 host=192.0.2.1"});
    open(Table::Mode::read);
    STRCMP_EQUAL("backend b1 host=192.0.2.1\nbackend b2 host=192.0.2.2\nuser a backend=b1\n"
                 "user b backend=b2\ndomain d.example backend=b1\ndefault * backend=b1\n",
                 all().c_str());
}

TEST(lmdb_table, stops_where_it_is_told_to)
{
    write({"user a backend=b1", "user b backend=b1", "domain c backend=b1"});
    open(Table::Mode::read);
    int seen = 0;
    CHECK(table->for_each([&](const Record &) { return ++seen < 2; }).ok());
    LONGS_EQUAL(2, seen);
}

TEST(lmdb_table, records_may_be_removed_while_walking)
{
    std::vector<std::string> lines;
    for (int i = 1000; i < 2000; i++)
        lines.push_back("user u" + std::to_string(i) + " backend=b1");
    write(lines);
    open();
    CHECK(table->begin().ok());
    int seen = 0;
    CHECK(table
              ->for_each([&](const Record &record) {
                  seen++;
                  return record.name.back() == '7' || table->remove(record.kind, record.name).ok();
              })
              .ok());
    LONGS_EQUAL(1000, seen);
    CHECK(table->commit().ok());
    int left = 0;
    CHECK(table->for_each([&](const Record &) { return ++left > 0; }).ok());
    LONGS_EQUAL(100, left);
}

TEST(lmdb_table, long_names_come_back_whole)
{
    const std::string text = "user " + std::string(500, 'x') + " backend=b1\n";
    write({text.substr(0, text.size() - 1)});
    open(Table::Mode::read);
    STRCMP_EQUAL(text.c_str(), all().c_str());
    STRCMP_EQUAL(text.c_str(), (read(Kind::user, std::string(500, 'x')) + '\n').c_str());
}

TEST(lmdb_table, sorted_and_unsorted_writes_hold_the_same)
{
    std::vector<std::string> lines;
    for (unsigned i = 0; i < 3000; i++)
        lines.push_back("user u" + std::to_string(i * 7919U % 3000U) + " backend=b1");
    write(lines);
    open(Table::Mode::read);
    const std::string unsorted = all();
    std::filesystem::remove_all(folder.path());
    std::sort(lines.begin(), lines.end());
    write(lines);
    open(Table::Mode::read);
    STRCMP_EQUAL(unsorted.c_str(), all().c_str());
}

TEST(lmdb_table, a_full_map_names_the_setting_and_changes_nothing)
{
    write({"user john backend=b1"});
    auto config = folder.config();
    config.max_size = 256U << 10U;
    auto opened = Table::open(config, Table::Mode::write);
    CHECK(opened.ok());
    CHECK((*opened)->begin().ok());
    std::string why;
    for (int i = 0; i < 100'000 && why.empty(); i++)
        why = message((*opened)->put(line("user u" + std::to_string(i) + " backend=b1")));
    CHECK_TEXT(holds(why, "is full: table_max_size is 256k; raise it"), why.c_str());
    CHECK_FALSE((*opened)->commit().ok());

    CHECK((*opened)->begin().ok());
    CHECK((*opened)->put(line("user joe backend=b2")).ok());
    CHECK((*opened)->commit().ok());
    opened = Error{"closed"};
    open(Table::Mode::read);
    STRCMP_EQUAL("user joe backend=b2\nuser john backend=b1\n", all().c_str());
}

TEST(lmdb_table, writing_needs_a_transaction_and_a_table_open_for_it)
{
    open();
    CHECK_FALSE(table->put(line("user john backend=b1")).ok());
    CHECK_FALSE(table->remove(Kind::user, "john").ok());
    CHECK_FALSE(table->commit().ok());
    CHECK(table->begin().ok());
    CHECK_FALSE(table->begin().ok());
    CHECK(table->commit().ok());
    open(Table::Mode::read);
    CHECK_FALSE(table->begin().ok());
}

TEST(lmdb_table, two_writers_in_one_process_do_not_wait_for_themselves)
{
    open();
    CHECK(table->begin().ok());
    const auto second = Table::open(folder.config(), Table::Mode::write);
    CHECK(!second && holds(second.error().message, "is being written by this process already"));
}

TEST(lmdb_table, a_second_writer_waits_for_the_first)
{
    write({"user john backend=b1"});
    std::unique_ptr<Table> first;
    Other_process one(
        [&] {
            first = std::move(*Table::open(folder.config(), Table::Mode::write));
            if (!first->begin() || !first->put(line("user john backend=one")))
                _exit(1);
        },
        [&] {
            if (!first->commit())
                _exit(1);
        });
    CHECK(one.says(long_enough));
    Other_process two(
        [&] {
            if (!write_lines(folder.config(), {"user john backend=two"}).empty())
                _exit(1);
        },
        [] {});
    CHECK_FALSE(two.says(50));
    one.tell();
    CHECK(one.says(long_enough));
    CHECK(two.says(long_enough));
    open(Table::Mode::read);
    STRCMP_EQUAL("user john backend=two", read(Kind::user, "john").c_str());
    LONGS_EQUAL(3, table->position().sequence);
}

TEST(lmdb_table, a_writer_that_is_killed_changes_nothing_and_stops_nobody)
{
    write({"user john backend=b1"});
    Other_process other(
        [&] {
            table = std::move(*Table::open(folder.config(), Table::Mode::write));
            if (!table->begin() || !table->put(line("user john backend=b2")))
                _exit(1);
        },
        [] {});
    CHECK(other.says(long_enough));
    other.kill(SIGKILL);
    open();
    STRCMP_EQUAL("user john backend=b1", read(Kind::user, "john").c_str());
    LONGS_EQUAL(1, table->position().sequence);
    CHECK(table->begin().ok());
    CHECK(table->commit().ok());
}

TEST(lmdb_table, the_first_transaction_goes_to_the_file_in_pieces_that_nobody_reads)
{
    open(with_room_for_much());
    CHECK(table->begin().ok());
    STRCMP_EQUAL("", put_much(*table).c_str());
    CHECK(file_bytes() > many_bytes / 2);
    const auto reader = Table::open(with_room_for_much(), Table::Mode::read);
    CHECK(reader.ok() && !(*reader)->position().written());
    CHECK(table->put(line("backend b1 host=127.0.0.1")).ok());
    const auto committed = table->commit();
    CHECK(committed.ok() && committed->sequence == 1);
    CHECK(!table->before_commit().written() && table->before_commit().known());

    std::size_t records = 0;
    CHECK(table
              ->for_each([&](const Record &record) {
                  records++;
                  return record.position == *committed;
              })
              .ok());
    LONGS_EQUAL(many_records + 1, records);
    std::size_t changes = 0;
    CHECK(table
              ->for_each_change([&](const Table_change &change) {
                  changes++;
                  return change.before.empty() && !change.after.empty();
              })
              .ok());
    LONGS_EQUAL(many_records + 1, changes);
}

TEST(lmdb_table, a_later_transaction_is_never_in_pieces)
{
    write({"user john backend=b1"});
    open(with_room_for_much());
    CHECK(table->begin().ok());
    STRCMP_EQUAL("", put_much(*table).c_str());
    CHECK(file_bytes() < many_bytes / 2);
    table->abort();
    STRCMP_EQUAL("user john backend=b1\n", all().c_str());
}

TEST(lmdb_table, pieces_without_a_commit_are_dropped)
{
    open(with_room_for_much());
    CHECK(table->begin().ok());
    STRCMP_EQUAL("", put_much(*table).c_str());
    table->abort();
    STRCMP_EQUAL("", all().c_str());
    CHECK(!table->position().written() && !table->before_commit().known());
    const std::uint64_t bytes = file_bytes();
    for (int i = 0; i < 3; i++) {
        CHECK(table->begin().ok());
        STRCMP_EQUAL("", put_much(*table).c_str());
        table->abort();
    }
    CHECK(file_bytes() < bytes * 3 / 2); // their room is used again
    CHECK(table->begin().ok());
    CHECK(table->put(line("user john backend=b1")).ok());
    CHECK(table->commit().ok());
    STRCMP_EQUAL("user john backend=b1\n", all().c_str());
}

TEST(lmdb_table, pieces_of_a_writer_that_was_killed_are_no_records)
{
    Other_process other(
        [&] {
            table = std::move(*Table::open(with_room_for_much(), Table::Mode::write));
            if (!table->begin() || !put_much(*table).empty())
                _exit(1);
        },
        [] {});
    CHECK(other.says(long_enough));
    other.kill(SIGKILL);
    CHECK(file_bytes() > many_bytes / 2);
    open(with_room_for_much());
    CHECK(!table->position().written());
    CHECK(table->begin().ok());
    STRCMP_EQUAL("absent", read(Kind::user, "u0").c_str());
    CHECK(table->put(line("user john backend=b1")).ok());
    CHECK(table->commit().ok());
    STRCMP_EQUAL("user john backend=b1\n", all().c_str());
    LONGS_EQUAL(1, table->position().sequence);
}

TEST(lmdb_table, pieces_that_fill_the_map_leave_room_for_a_table_that_fits)
{
    auto config = folder.config();
    config.max_size = many_bytes / 2;
    auto opened = Table::open(config, Table::Mode::write);
    CHECK(opened.ok());
    CHECK((*opened)->begin().ok());
    const std::string why = put_much(**opened);
    CHECK_TEXT(holds(why, "is full: table_max_size is "), why.c_str());
    CHECK_FALSE((*opened)->commit().ok());

    STRCMP_EQUAL("", message((*opened)->begin()).c_str());
    CHECK((*opened)->put(line("user joe backend=b2")).ok());
    STRCMP_EQUAL("", message((*opened)->commit()).c_str());
    opened = Error{"closed"};
    open(Table::Mode::read);
    STRCMP_EQUAL("user joe backend=b2\n", all().c_str());
}

// The tool's lock keeps a second writer out. Without it, one of them wins, and wins all of it.
TEST(lmdb_table, a_writer_that_comes_between_two_pieces_makes_no_mixture)
{
    open(with_room_for_much());
    CHECK(table->begin().ok());
    Other_process other([] {},
                        [&] {
                            open(with_room_for_much()); // the parent's is abandoned
                            if (!table->begin() || !table->put(line("user joe backend=b2")) ||
                                !table->commit())
                                _exit(1);
                        });
    CHECK(other.says(long_enough));
    other.tell();
    const std::string why = put_much(*table);
    const bool won = why.empty() && table->commit().ok();
    CHECK_TEXT(won || holds(why, "somebody else has written to it"), why.c_str());
    table->abort();
    CHECK(other.says(long_enough));
    STRCMP_EQUAL("user joe backend=b2", read(Kind::user, "joe").c_str());
    STRCMP_EQUAL(won ? "found" : "absent", read(Kind::user, "u0") == "absent" ? "absent" : "found");
    LONGS_EQUAL(won ? 2 : 1, table->position().sequence);
}

TEST(lmdb_table, an_absent_table_is_an_error_for_a_reader)
{
    const auto opened = Table::open(folder.config(), Table::Mode::read);
    CHECK(!opened && holds(opened.error().message, "`doveadm proxymap import` makes it"));
    STRCMP_EQUAL("absent", mode_of(folder.path()).c_str());
}

TEST(lmdb_table, a_folder_that_cannot_be_made_is_named)
{
    auto config = folder.config();
    config.path += "/below/that";
    const auto opened = Table::open(config, Table::Mode::write);
    CHECK(!opened && holds(opened.error().message, "cannot create the folder " + config.path));
}

TEST(lmdb_table, an_lmdb_file_of_another_program_is_refused_and_left_alone)
{
    std::filesystem::create_directory(folder.path());
    STRCMP_EQUAL("", in_child([&]() -> std::string {
                         MDB_env *env = nullptr;
                         MDB_txn *txn = nullptr;
                         MDB_dbi dbi = 0;
                         char text[] = "something";
                         MDB_val val{9, text};
                         mdb_env_create(&env);
                         if (mdb_env_open(env, folder.path().c_str(), 0, 0660) != 0 ||
                             mdb_txn_begin(env, nullptr, 0, &txn) != 0 ||
                             mdb_dbi_open(txn, nullptr, 0, &dbi) != 0 ||
                             mdb_put(txn, dbi, &val, &val, 0) != 0 || mdb_txn_commit(txn) != 0)
                             return "lmdb failed";
                         mdb_env_close(env);
                         return "";
                     }).c_str());
    const std::string before = read_all(folder.path() + "/data.mdb");
    for (const auto mode : {Table::Mode::read, Table::Mode::write}) {
        const auto opened = Table::open(folder.config(), mode);
        CHECK(!opened && holds(opened.error().message, "is no table of proxymap"));
    }
    CHECK(before == read_all(folder.path() + "/data.mdb"));
}

TEST(lmdb_table, a_truncated_table_is_not_written_to)
{
    std::vector<std::string> lines;
    for (int i = 0; i < 1000; i++)
        lines.push_back("user u" + std::to_string(i) + " backend=b1");
    write(lines);
    const std::string whole = read_all(folder.path() + "/data.mdb");
    const std::string half = whole.substr(0, whole.size() / 2);
    write_all(folder.path() + "/data.mdb", half);
    const auto opened = Table::open(folder.config(), Table::Mode::write);
    CHECK(!opened && holds(opened.error().message, "truncated copy?"));
    CHECK(half == read_all(folder.path() + "/data.mdb"));
}

TEST(lmdb_table, a_data_file_with_the_lock_file_of_another_is_not_written_to)
{
    write({"user john backend=b1"});
    std::filesystem::create_directory(folder.path("new"));
    std::filesystem::copy_file(folder.path() + "/data.mdb", folder.path("new") + "/data.mdb");
    for (int i = 0; i < 4; i++)
        STRCMP_EQUAL("", write_lines(folder.config("new"), {"user john backend=b2"}).c_str());
    // As long as somebody has it open, lock.mdb counts the old file's transactions.
    Other_process other(
        [&] { table = std::move(*Table::open(folder.config(), Table::Mode::read)); }, [] {});
    CHECK(other.says(long_enough));
    std::filesystem::rename(folder.path("new") + "/data.mdb", folder.path() + "/data.mdb");
    const auto opened = Table::open(folder.config(), Table::Mode::write);
    CHECK(!opened && holds(opened.error().message, "remove lock.mdb"));
    std::filesystem::remove(folder.path() + "/lock.mdb");
    write({"user john backend=b3"});
}

TEST(lmdb_table, a_new_data_file_gets_a_new_lock_file)
{
    for (int i = 0; i < 4; i++)
        write({"user john backend=b1"});
    Other_process other(
        [&] { table = std::move(*Table::open(folder.config(), Table::Mode::read)); }, [] {});
    CHECK(other.says(long_enough));
    std::filesystem::remove(folder.path() + "/data.mdb");
    write({"user joe backend=b1"});
    open(Table::Mode::read);
    STRCMP_EQUAL("user joe backend=b1\n", all().c_str());
}

// Pages taken at the end of the file and given back before the commit are never written by LMDB:
// some of these transactions would leave a file that looks truncated.
TEST(lmdb_table, whatever_a_transaction_wrote_and_removed_the_file_is_whole)
{
    const auto name = [](auto number) { return "u" + std::to_string(number); };
    for (const unsigned seed : {3U, 5U, 6U}) {
        std::filesystem::remove_all(folder.path());
        open();
        std::minstd_rand random(seed);
        for (int transaction = 0; transaction < 6; transaction++) {
            CHECK(table->begin().ok());
            const auto count = random() % 3000;
            const auto names = 1 + random() % 3000;
            const auto removes = random() % 4;
            for (auto i = count; i > 0; i--) {
                Record record = line("user " + name(random() % names) + " host=192.0.2.1");
                for (auto field = random() % 8; field > 0; field--)
                    record.fields.push_back({Field_id::forward_prefix, Service::any,
                                             "x" + std::to_string(field),
                                             std::string(random() % 500, 'v')});
                CHECK(random() % 4 < removes ? table->remove(Kind::user, record.name).ok()
                                             : table->put(record).ok());
            }
            if (random() % 2 != 0) {
                for (auto i = names; i-- > random() % names;)
                    CHECK(table->remove(Kind::user, name(i)).ok());
            }
            CHECK(table->commit().ok());
            CHECK(table->position().known());
        }
    }
}
