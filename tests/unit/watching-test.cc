// src/doveadm-proxymap/watching.cc: what the journal does not say is shown as a reset.
#include "doveadm-proxymap/watching.h"

#include <map>
#include <string>

#include <CppUTest/TestHarness.h>

using namespace proxymap;

namespace {

Position at(std::uint64_t sequence, std::uint32_t epoch = 1, std::uint64_t table = 7)
{
    return {table, epoch, sequence};
}

} // namespace

TEST_GROUP(watching)
{
    std::map<std::uint64_t, std::string> entries = {
        {3, "user a\n"}, {4, "user b\nbackend b1\n"}, {5, "reset\n"}, {6, "user c\n"}};
    std::string failure;

    // "3:user a 5:reset"
    std::string shown(const Position &since, const Position &now)
    {
        const auto changes = changes_between(
            since, now, [&](const Position &position) -> Result<std::optional<std::string>> {
                if (!failure.empty())
                    return Error{failure};
                const auto it = entries.find(position.sequence);
                return it == entries.end() ? std::nullopt : std::optional(it->second);
            });
        if (!changes)
            return changes.error().message;
        std::string text;
        for (const auto &change : *changes)
            text +=
                (text.empty() ? "" : " ") + std::to_string(change.position.sequence) + ":" +
                (change.reset ? "reset"
                              : std::string(to_string(change.key.kind)) + " " + change.key.name);
        return text;
    }
};

TEST(watching, shows_what_changed_after_a_position_oldest_first)
{
    STRCMP_EQUAL("4:user b 4:backend b1 5:reset 6:user c", shown(at(3), at(6)).c_str());
    STRCMP_EQUAL("6:user c", shown(at(5), at(6)).c_str());
    STRCMP_EQUAL("", shown(at(6), at(6)).c_str());
}

TEST(watching, says_when_each_was_as_far_as_the_journal_does)
{
    entries[6] = "time 77\nuser c\n";
    const auto changes = changes_between(at(4), at(6), [&](const Position &position) {
        return Result<std::optional<std::string>>(entries[position.sequence]);
    });
    LONGS_EQUAL(2, changes->size());
    LONGS_EQUAL(0, changes->front().time);
    LONGS_EQUAL(77, changes->back().time);
}

TEST(watching, shows_a_gap_as_a_reset_of_the_newest_position_in_it)
{
    STRCMP_EQUAL("2:reset 3:user a", shown(at(1), at(3)).c_str());
    entries.erase(5);
    STRCMP_EQUAL("5:reset 6:user c", shown(at(3), at(6)).c_str());
    entries.clear();
    STRCMP_EQUAL("6:reset", shown(at(3), at(6)).c_str());
}

TEST(watching, from_no_position_shows_all_that_there_is_and_no_reset_for_the_rest)
{
    STRCMP_EQUAL("3:user a 4:user b 4:backend b1 5:reset 6:user c",
                 shown(Position{}, at(6)).c_str());
}

TEST(watching, shows_another_table_another_epoch_or_a_newer_position_as_a_reset)
{
    STRCMP_EQUAL("6:reset", shown(at(3, 1, 8), at(6)).c_str());
    STRCMP_EQUAL("6:reset", shown(at(3), at(6, 2)).c_str());
    STRCMP_EQUAL("6:reset", shown(at(6, 2), at(6)).c_str());
    STRCMP_EQUAL("6:reset", shown(at(7), at(6)).c_str());
}

TEST(watching, shows_nothing_of_a_journal_that_cannot_be_read)
{
    entries[5] = "nonsense\n";
    STRCMP_CONTAINS("the journal at position 0000000000000007.1.5", shown(at(3), at(6)).c_str());
    failure = "broken";
    STRCMP_EQUAL("broken", shown(at(3), at(6)).c_str());
}
