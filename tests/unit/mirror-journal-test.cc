// The journal as it is read from a mirror.
#include "store/mirror_journal.h"

#include "fake_memcached.h"

#include <algorithm>
#include <memory>
#include <string>

#include <CppUTest/TestHarness.h>

using namespace proxymap;

namespace {

const Key joe{Kind::user, "joe"};
const Key jane{Kind::user, "jane"};
const Key b1{Kind::backend, "b1"};

Position at(std::uint64_t sequence)
{
    return {0x1234, 1, sequence};
}

} // namespace

TEST_GROUP(mirror_journal)
{
    Fake_memcached server;
    std::unique_ptr<Memcached_connection> connection;

    void setup() override
    {
        put(11, "user joe\n");
        put(12, "user jane\nbackend b1\n");
        auto opened = Memcached_connection::open({"127.0.0.1", server.port(), {}}, 5000,
                                                 Memcached_connection::Use::reader);
        CHECK(opened.ok());
        connection = std::move(*opened);
    }
    void put(std::uint64_t sequence, const std::string &text)
    {
        const auto values = split_journal_entry(at(sequence), text);
        for (std::size_t part = 1; part <= values.size(); part++)
            server.set_item(journal_key("pm", sequence, part), values[part - 1]);
    }
    Journal_entry read(const Position &from, const Position &to)
    {
        auto entry = read_mirror_journal(*connection, "pm", from, to);
        CHECK_TEXT(entry.ok(), entry.ok() ? "" : entry.error().message.c_str());
        return std::move(*entry);
    }
};

TEST(mirror_journal, names_what_changed_after_one_position_up_to_another)
{
    const auto both = read(at(10), at(12));
    CHECK_FALSE(both.reset);
    CHECK(both.keys == (std::vector<Key>{joe, jane, b1}));
    CHECK(read(at(11), at(12)).keys == (std::vector<Key>{jane, b1}));
    CHECK(read(at(10), at(11)).keys == std::vector<Key>{joe});
    CHECK(read(at(12), at(12)).keys.empty());
}

TEST(mirror_journal, an_entry_that_is_gone_is_a_reset)
{
    server.remove_item("pm:log:11");
    CHECK(read(at(10), at(12)).reset);
    CHECK_FALSE(read(at(11), at(12)).reset);
}

TEST(mirror_journal, an_entry_of_another_epoch_or_table_is_a_reset)
{
    const auto value = split_journal_entry({0x1234, 2, 11}, "user joe\n");
    server.set_item("pm:log:11", value.front());
    CHECK(read(at(10), at(12)).reset);
}

TEST(mirror_journal, an_entry_that_is_not_understood_is_a_reset)
{
    server.set_item("pm:log:12", "v2 what");
    CHECK(read(at(10), at(12)).reset);
    put(12, "mailbox joe\n");
    CHECK(read(at(10), at(12)).reset);
}

TEST(mirror_journal, a_reset_is_a_reset_whatever_stands_beside_it)
{
    put(12, "reset\n");
    const auto entry = read(at(10), at(12));
    CHECK(entry.reset);
    CHECK(entry.keys.empty());
}

TEST(mirror_journal, from_nowhere_another_table_another_epoch_or_a_newer_position_it_is_a_reset)
{
    CHECK(read({}, at(12)).reset);
    CHECK(read({0x9999, 1, 11}, at(12)).reset);
    CHECK(read({0x1234, 2, 11}, {0x1234, 3, 12}).reset);
    CHECK(read(at(13), at(12)).reset);
    UNSIGNED_LONGS_EQUAL(0, server.gets());
}

TEST(mirror_journal, so_far_back_that_no_entry_can_be_there_nobody_is_asked)
{
    CHECK(read(at(10), at(11 + mirror_journal_entries)).reset);
    UNSIGNED_LONGS_EQUAL(0, server.gets());
}

TEST(mirror_journal, a_long_entry_is_read_whole_or_is_a_reset)
{
    std::string text;
    for (unsigned i = 0; i < 9000; i++)
        text += "user somebody-with-a-long-name-" + std::to_string(i) + "\n";
    put(13, text);
    CHECK(!server.item("pm:log:13:2").empty());
    UNSIGNED_LONGS_EQUAL(9000, read(at(12), at(13)).keys.size());
    server.remove_item("pm:log:13:2");
    CHECK(read(at(12), at(13)).reset);
}

TEST(mirror_journal, more_keys_than_one_entry_may_name_are_a_reset)
{
    std::string text;
    for (unsigned i = 0; i < max_journal_keys; i++)
        text += "user u" + std::to_string(i) + "\n";
    put(13, text);
    CHECK_FALSE(read(at(12), at(13)).reset);
    CHECK(read(at(11), at(13)).reset);
}

TEST(mirror_journal, many_entries_are_read_in_few_requests)
{
    for (std::uint64_t sequence = 13; sequence <= 50; sequence++)
        put(sequence, "user u" + std::to_string(sequence) + "\n");
    UNSIGNED_LONGS_EQUAL(38, read(at(12), at(50)).keys.size());
    UNSIGNED_LONGS_EQUAL(3, server.gets());
}

TEST(mirror_journal, a_connection_that_breaks_is_an_error)
{
    server.behave(Fake_memcached::Manner::closes);
    CHECK_FALSE(read_mirror_journal(*connection, "pm", at(10), at(12)).ok());
}
