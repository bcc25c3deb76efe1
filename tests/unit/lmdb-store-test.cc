// The reader of an LMDB table in auth: what it finds, what it proves, and everything that must be
// `unavailable` and nothing worse.
#include "poll_loop.h"
#include "store_asking.h"
#include "table_folder.h"

#include <lmdb.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <memory>
#include <string>

#include <CppUTest/TestHarness.h>

using namespace proxymap;
using store_asking::ask;
using store_asking::ask_one;
using store_asking::holds;

namespace {

const Key john{Kind::user, "john"};
const Key joe{Kind::user, "joe"};

std::string to_text(const Answer &answer)
{
    switch (answer.outcome) {
    case Outcome::found:
        return format_record(*answer.record);
    case Outcome::missing:
        return "missing";
    case Outcome::unavailable:
        break;
    }
    return "unavailable: " + answer.why;
}

// Writes a value as it is under a key as it is; no value: removes it. In a child, for LMDB forbids
// to open a table twice in a process.
void put_raw(const std::string &folder, const std::string &key, const char *value)
{
    STRCMP_EQUAL("", in_child([&]() -> std::string {
                         MDB_env *env = nullptr;
                         MDB_txn *txn = nullptr;
                         MDB_dbi dbi = 0;
                         mdb_env_create(&env);
                         std::string name = key;
                         std::string text = value != nullptr ? value : "";
                         MDB_val k{name.size(), name.data()};
                         MDB_val v{text.size(), text.data()};
                         if (mdb_env_open(env, folder.c_str(), 0, 0660) != 0 ||
                             mdb_txn_begin(env, nullptr, 0, &txn) != 0 ||
                             mdb_dbi_open(txn, nullptr, 0, &dbi) != 0 ||
                             (value != nullptr ? mdb_put(txn, dbi, &k, &v, 0)
                                               : mdb_del(txn, dbi, &k, nullptr)) != 0 ||
                             mdb_txn_commit(txn) != 0)
                             return "lmdb failed";
                         mdb_env_close(env);
                         return "";
                     }).c_str());
}

} // namespace

TEST_GROUP(lmdb_store)
{
    Table_folder folder;
    Poll_loop loop;
    Map_news news;
    std::unique_ptr<Store> store;

    void write(const std::vector<std::string> &lines, const std::string &name = "table")
    {
        STRCMP_EQUAL("", in_child([&] { return write_lines(folder.config(name), lines); }).c_str());
    }

    Store &opened()
    {
        if (!store)
            store = make_lmdb_store(folder.config(), loop, news);
        return *store;
    }

    std::string answer(const Key &key)
    {
        return to_text(ask_one(opened(), loop, key));
    }

    void check_why(const std::string &part, const Key &key = john)
    {
        const std::string text = answer(key);
        CHECK_TEXT(text.starts_with("unavailable: ") && holds(text, part), text.c_str());
    }

    // Asks until the answer is this one; looks for another file come once a second.
    void check_becomes(const std::string &expected, const Key &key = john)
    {
        std::string last;
        loop.run_until([&] {
            loop.turn(10);
            return (last = answer(key)) == expected;
        });
        STRCMP_EQUAL(expected.c_str(), last.c_str());
    }

    // A copy of the table, which is that table and no other, with these lines written to it.
    void copy_table(const std::string &name, const std::vector<std::string> &lines)
    {
        std::filesystem::create_directory(folder.path(name));
        std::filesystem::copy_file(folder.path() + "/data.mdb", folder.path(name) + "/data.mdb");
        write(lines, name);
    }
};

TEST(lmdb_store, finds_a_record)
{
    write({"backend b1 host=192.0.2.1", "user john backend=b1"});
    STRCMP_EQUAL("user john backend=b1", answer(john).c_str());
    STRCMP_EQUAL("lmdb", opened().name().c_str());
}

TEST(lmdb_store, an_absent_record_is_a_proven_miss)
{
    write({"user john backend=b1"});
    STRCMP_EQUAL("missing", answer(joe).c_str());
    STRCMP_EQUAL("missing", answer({Kind::domain, "john"}).c_str());
}

TEST(lmdb_store, answers_each_key_in_order)
{
    write({"user john backend=b1", "default * backend=b2"});
    const auto answers =
        ask(opened(), loop, {joe, {Kind::default_route, "*"}, {Kind::domain, "d"}, john});
    LONGS_EQUAL(4, answers.size());
    STRCMP_EQUAL("missing", to_text(answers[0]).c_str());
    STRCMP_EQUAL("default * backend=b2", to_text(answers[1]).c_str());
    STRCMP_EQUAL("missing", to_text(answers[2]).c_str());
    STRCMP_EQUAL("user john backend=b1", to_text(answers[3]).c_str());
}

TEST(lmdb_store, never_answers_from_within_get)
{
    write({"user john backend=b1"});
    store_asking::Lookup first;
    store_asking::Lookup second;
    store_asking::start(opened(), &first, {john}, 1000);
    store_asking::start(opened(), &second, {joe}, 1000);
    CHECK_FALSE(first.answered);
    CHECK(loop.run_until([&] { return first.answered && second.answered; }));
    STRCMP_EQUAL("missing", to_text(second.answers.at(0)).c_str());
}

TEST(lmdb_store, a_callback_may_ask_again)
{
    write({"user john backend=b1"});
    store_asking::Lookup inner;
    opened().get({john}, 0,
                 [&](std::vector<Answer>) { store_asking::start(*store, &inner, {joe}, 1000); });
    CHECK(loop.run_until([&] { return inner.answered; }));
}

TEST(lmdb_store, a_callback_may_destroy_the_store)
{
    write({"user john backend=b1"});
    store_asking::Lookup after;
    opened().get({john}, 0, [&](std::vector<Answer>) { store.reset(); });
    store_asking::start(*store, &after, {john}, 1000);
    CHECK(loop.run_until([&] { return after.answered; }));
    STRCMP_EQUAL("user john backend=b1", to_text(after.answers.at(0)).c_str());
    CHECK(store == nullptr);
}

TEST(lmdb_store, what_is_pending_when_it_goes_is_unavailable)
{
    store_asking::Lookup pending;
    store_asking::start(opened(), &pending, {john, joe}, 1000);
    store.reset();
    CHECK(pending.answered);
    LONGS_EQUAL(2, pending.answers.size());
    CHECK(pending.answers[1].outcome == Outcome::unavailable);
}

TEST(lmdb_store, an_absent_table_is_unavailable_and_used_once_it_is_there)
{
    check_why("does not exist; `doveadm proxymap import` makes it");
    write({"user john backend=b1"});
    check_becomes("user john backend=b1");
}

TEST(lmdb_store, a_table_that_was_never_written_proves_nothing)
{
    STRCMP_EQUAL("", in_child([&]() -> std::string {
                         const auto made = Table::open(folder.config(), Table::Mode::write);
                         return made ? "" : made.error().message;
                     }).c_str());
    check_why("was created, but nothing was ever written to it");
    opened().poll({});
    CHECK_FALSE(news.position().known());
    write({"user joe backend=b1"});
    STRCMP_EQUAL("missing", answer(john).c_str());
}

// As a large first import leaves it that was killed.
TEST(lmdb_store, records_before_the_first_position_answer_nothing)
{
    write({"user john backend=b1"});
    STRCMP_EQUAL("user john backend=b1", answer(john).c_str());
    Position first = news.position();
    first.sequence = 0;
    put_raw(folder.path(), "table", format_position(first).c_str());
    check_why("nothing was ever written to it");
    check_why("nothing was ever written to it", joe);
}

TEST(lmdb_store, a_table_that_is_removed_is_unavailable)
{
    write({"user john backend=b1"});
    STRCMP_EQUAL("user john backend=b1", answer(john).c_str());
    std::filesystem::remove_all(folder.path());
    CHECK(loop.run_until([&] {
        loop.turn(10);
        return holds(answer(john), "does not exist");
    }));
}

TEST(lmdb_store, what_another_process_commits_is_seen_by_the_next_lookup)
{
    write({"user john backend=b1"});
    STRCMP_EQUAL("user john backend=b1", answer(john).c_str());
    for (int i = 0; i < 20; i++) {
        const std::string line = "user john backend=b" + std::to_string(i);
        write({line});
        STRCMP_EQUAL(line.c_str(), answer(john).c_str());
    }
    write({"-user john"});
    STRCMP_EQUAL("missing", answer(john).c_str());
}

TEST(lmdb_store, a_folder_that_is_replaced_is_noticed)
{
    write({"user john backend=b1"});
    STRCMP_EQUAL("user john backend=b1", answer(john).c_str());
    copy_table("new", {"user john backend=b2"});
    std::filesystem::rename(folder.path(), folder.path("old"));
    std::filesystem::rename(folder.path("new"), folder.path());
    check_becomes("user john backend=b2");
}

TEST(lmdb_store, a_data_file_renamed_over_the_old_one_is_noticed)
{
    write({"user john backend=b1"});
    STRCMP_EQUAL("user john backend=b1", answer(john).c_str());
    copy_table("new", {"user john backend=b2"});
    write({"user joe backend=b2"}, "new");
    write({"user jack backend=b2"}, "new");
    std::filesystem::rename(folder.path("new") + "/data.mdb", folder.path() + "/data.mdb");
    check_becomes("user john backend=b2");
}

TEST(lmdb_store, a_lock_file_made_anew_is_noticed)
{
    write({"user john backend=b1"});
    STRCMP_EQUAL("user john backend=b1", answer(john).c_str());
    std::filesystem::remove(folder.path() + "/lock.mdb");
    STRCMP_EQUAL("user john backend=b1", answer(john).c_str());
    write({"user john backend=b2"});
    write({"user john backend=b3"});
    write({"user john backend=b4"});
    check_becomes("user john backend=b4");
}

TEST(lmdb_store, a_table_behind_the_newest_position_answers_nothing)
{
    write({"user john backend=b1"});
    STRCMP_EQUAL("user john backend=b1", answer(john).c_str());
    Position ahead = news.position();
    ahead.sequence++;
    CHECK(news.advance({{}, ahead, {}}));
    check_why("is not read: it is behind");
    check_why("is not read: it is behind", joe);
    write({"user john backend=b2"});
    STRCMP_EQUAL("user john backend=b2", answer(john).c_str());
    STRCMP_EQUAL("missing", answer(joe).c_str());
}

TEST(lmdb_store, its_position_is_known_before_anybody_asks_it)
{
    write({"user john backend=b1"});
    opened().poll({});
    CHECK(news.position().known());
}

TEST(lmdb_store, a_table_of_another_id_answers_nothing)
{
    write({"user john backend=b1"});
    CHECK(news.advance({{}, {1, 1, 1}, {}}));
    check_why("is not read: it holds another table");
    check_why("is not read: it holds another table", joe);
}

TEST(lmdb_store, a_table_without_a_position_answers_nothing)
{
    write({"user john backend=b1"});
    for (const char *value : {"", "garbage", "0000000000000000.1.1"}) {
        put_raw(folder.path(), "table", value);
        check_why("has no position");
        check_why("has no position", joe);
    }
    put_raw(folder.path(), "table", nullptr);
    check_why("has no position", joe);
}

TEST(lmdb_store, the_record_of_another_name_is_unavailable)
{
    write({"user john backend=b1", "user joe backend=b2"});
    const auto stored = store_asking::stored("user joe backend=b2", {1, 1, 1});
    put_raw(folder.path(), "user:john", stored.c_str());
    check_why("user:john holds the record of user:joe");
    STRCMP_EQUAL("user joe backend=b2", answer(joe).c_str());
}

TEST(lmdb_store, a_record_that_does_not_parse_is_unavailable_alone)
{
    write({"user john backend=b1", "user joe backend=b2"});
    put_raw(folder.path(), "user:john", "user john nopassword=y");
    const auto answers = ask(opened(), loop, {john, joe});
    CHECK(answers.at(0).outcome == Outcome::unavailable);
    STRCMP_EQUAL("user joe backend=b2", to_text(answers.at(1)).c_str());
}

TEST(lmdb_store, long_and_hostile_names_are_kept_apart)
{
    const std::string one(300, 'a');
    const std::string other = std::string(299, 'a') + 'b';
    write({"user " + one + " backend=b1", "user " + other + " backend=b2"});
    STRCMP_EQUAL(("user " + one + " backend=b1").c_str(), answer({Kind::user, one}).c_str());
    STRCMP_EQUAL(("user " + other + " backend=b2").c_str(), answer({Kind::user, other}).c_str());
    STRCMP_EQUAL("missing", answer({Kind::user, std::string(300, 'c')}).c_str());
    STRCMP_EQUAL("missing", answer({Kind::user, std::string(100000, 'a')}).c_str());
    STRCMP_EQUAL("missing", answer({Kind::user, ""}).c_str());
    STRCMP_EQUAL("missing", answer({Kind::user, std::string("\r\n\0../%s", 9)}).c_str());
}

TEST(lmdb_store, a_file_that_is_no_table_is_unavailable)
{
    std::filesystem::create_directory(folder.path());
    for (const auto &bytes : {std::string(), std::string("user john backend=b1\n"),
                              std::string(1U << 20U, '\xab'), std::string(1U << 20U, '\0')}) {
        store.reset();
        write_all(folder.path() + "/data.mdb", bytes);
        const std::string text = answer(john);
        CHECK_TEXT(text.starts_with("unavailable: lmdb table "), text.c_str());
    }
    std::filesystem::remove(folder.path() + "/data.mdb");
    std::filesystem::create_directory(folder.path() + "/data.mdb");
    store.reset();
    check_why("is not a regular file");
}

TEST(lmdb_store, a_truncated_copy_is_unavailable)
{
    std::vector<std::string> lines;
    for (int i = 0; i < 1000; i++)
        lines.push_back("user u" + std::to_string(i) + " backend=b1");
    write(lines);
    const std::string whole = read_all(folder.path() + "/data.mdb");
    for (const std::size_t size : {whole.size() - 1, whole.size() / 2, std::size_t{8192},
                                   std::size_t{5000}, std::size_t{4096}, std::size_t{100}}) {
        store.reset();
        write_all(folder.path() + "/data.mdb", whole.substr(0, size));
        const std::string text = answer(john);
        CHECK_TEXT(text.starts_with("unavailable: lmdb table "), text.c_str());
    }
    store.reset();
    write_all(folder.path() + "/data.mdb", whole);
    STRCMP_EQUAL("missing", answer(john).c_str());
}

TEST(lmdb_store, a_file_truncated_while_open_is_unavailable_until_it_is_whole)
{
    write({"user john backend=b1"});
    const std::string path = folder.path() + "/data.mdb";
    const std::string whole = read_all(path);
    for (const off_t size : {off_t{0}, off_t{4096}, off_t{8192}, off_t{8193}}) {
        store.reset();
        STRCMP_EQUAL("user john backend=b1", answer(john).c_str());
        LONGS_EQUAL(0, truncate(path.c_str(), size));
        const std::string text = answer(john);
        CHECK_TEXT(text.starts_with("unavailable: lmdb table "), text.c_str());
        write_all(path, whole);
    }
    check_becomes("user john backend=b1");
}

TEST(lmdb_store, pages_of_zeros_are_unavailable)
{
    write({"user john backend=b1"});
    std::string bytes = read_all(folder.path() + "/data.mdb");
    const std::size_t headers = 2 * static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
    std::fill(bytes.begin() + static_cast<std::ptrdiff_t>(headers), bytes.end(), '\0');
    write_all(folder.path() + "/data.mdb", bytes);
    check_why("MDB_");
}

TEST(lmdb_store, a_table_that_outgrew_our_map_is_read)
{
    auto config = folder.config();
    config.max_size = 64U << 10U;
    write({"user john backend=b1"});
    store = make_lmdb_store(config, loop, news);
    STRCMP_EQUAL("user john backend=b1", answer(john).c_str());
    std::vector<std::string> lines = {"user john backend=b2"};
    for (int i = 0; i < 5000; i++)
        lines.push_back("user u" + std::to_string(i) + " backend=b1");
    write(lines);
    STRCMP_EQUAL("user john backend=b2", answer(john).c_str());
    STRCMP_EQUAL("user u4999 backend=b1", answer({Kind::user, "u4999"}).c_str());
}

TEST(lmdb_store, a_missing_permission_is_named)
{
    write({"user john backend=b1"});
    const struct {
        std::string path;
        mode_t mode;
        const char *part;
    } cases[] = {
        {"", 0000, "no permission to enter the folder"},
        {"/data.mdb", 0000, "must be root:dovecot 0640"},
        {"/lock.mdb", 0400, "must be root:dovecot 0660"},
    };
    for (const auto &each : cases) {
        // All that is needed, but for the one.
        chmod(folder.path().c_str(), 0755);
        chmod((folder.path() + "/data.mdb").c_str(), 0644);
        chmod((folder.path() + "/lock.mdb").c_str(), 0666);
        STRCMP_EQUAL("user john backend=b1", as_nobody([&] { return answer(john); }).c_str());
        chmod((folder.path() + each.path).c_str(), each.mode);
        const std::string text = as_nobody([&] { return answer(john); });
        CHECK_TEXT(text.starts_with("unavailable: ") && holds(text, each.part), text.c_str());
    }
    chmod(folder.path().c_str(), 0755);
}

TEST(lmdb_store, a_lock_file_that_cannot_be_made_is_named)
{
    write({"user john backend=b1"});
    std::filesystem::remove(folder.path() + "/lock.mdb");
    chmod((folder.path() + "/data.mdb").c_str(), 0644);
    chmod(folder.path().c_str(), 0555);
    const std::string text = as_nobody([&] { return answer(john); });
    chmod(folder.path().c_str(), 0755);
    CHECK_TEXT(holds(text, "no permission to create ") && holds(text, "export` once as root"),
               text.c_str());
}

TEST(lmdb_store, two_stores_of_one_table_share_it)
{
    write({"user john backend=b1"});
    const auto second = make_lmdb_store(folder.config(), loop, news);
    STRCMP_EQUAL("user john backend=b1", answer(john).c_str());
    STRCMP_EQUAL("user john backend=b1", to_text(ask_one(*second, loop, john)).c_str());
    write({"user john backend=b2"});
    STRCMP_EQUAL("user john backend=b2", to_text(ask_one(*second, loop, john)).c_str());
    // A writer that found only dead readers' slots would take ours for free.
    store.reset();
    for (int i = 0; i < 5; i++)
        write({"user john backend=b3"});
    STRCMP_EQUAL("user john backend=b3", to_text(ask_one(*second, loop, john)).c_str());
}

TEST(lmdb_store, two_stores_of_one_table_both_notice_another_file)
{
    write({"user john backend=b1"});
    const auto second = make_lmdb_store(folder.config(), loop, news);
    STRCMP_EQUAL("user john backend=b1", answer(john).c_str());
    STRCMP_EQUAL("user john backend=b1", to_text(ask_one(*second, loop, john)).c_str());
    copy_table("new", {"user john backend=b2"});
    std::filesystem::rename(folder.path("new") + "/data.mdb", folder.path() + "/data.mdb");
    check_becomes("user john backend=b2");
    STRCMP_EQUAL("user john backend=b2", to_text(ask_one(*second, loop, john)).c_str());
    STRCMP_EQUAL("user john backend=b2", answer(john).c_str());
}

TEST(lmdb_store, the_tool_may_write_in_the_same_process)
{
    write({"user john backend=b1"});
    STRCMP_EQUAL("user john backend=b1", answer(john).c_str());
    STRCMP_EQUAL("", write_lines(folder.config(), {"user john backend=b2"}).c_str());
    STRCMP_EQUAL("user john backend=b2", answer(john).c_str());
}

TEST(lmdb_store, a_child_opens_its_own_and_leaves_the_parents_alone)
{
    write({"user john backend=b1"});
    STRCMP_EQUAL("user john backend=b1", answer(john).c_str());
    STRCMP_EQUAL("user john backend=b1", in_child([&] {
                                             std::string text = answer(john);
                                             store.reset();
                                             return text;
                                         }).c_str());
    write({"user john backend=b2"});
    STRCMP_EQUAL("user john backend=b2", answer(john).c_str());
}
