// What stands under one key of a mirror: one version or two, and which of them is in force.
#include "core/stored_value.h"

#include <string>

#include <CppUTest/TestHarness.h>

using namespace proxymap;

namespace {

constexpr std::uint64_t table = 0xab;

Position at(std::uint64_t sequence, std::uint32_t epoch = 1, std::uint64_t its_table = table)
{
    return {its_table, epoch, sequence};
}

std::string record(const std::string &backend, const Position &position)
{
    return "user john backend=" + backend + " pos=" + format_position(position);
}

std::string tombstone(const Position &position)
{
    return make_tombstone("user john", position);
}

Result<Stored_value> parse(const std::string &text)
{
    return parse_stored_value(text, Kind::user, "john", Key_case::lower);
}

// What is in force at that marker: the backend, "deleted", or "error".
std::string in_force(const std::string &text, const Position *marker)
{
    auto value = parse(text);
    CHECK_TEXT(value.ok(), value.ok() ? "" : value.error().message.c_str());
    const auto version = choose_version(*value, marker);
    if (!version)
        return "error";
    const auto &[found, deleted, seal, signed_text] = **version;
    return deleted ? "deleted" : *found.find(Field_id::backend, Service::any);
}

std::string in_force_at(std::uint64_t sequence, const std::string &text)
{
    const auto marker = at(sequence);
    return in_force(text, &marker);
}

void check_refused(const std::string &text)
{
    CHECK_TEXT(!parse(text).ok(), text.c_str());
}

} // namespace

TEST_GROUP(stored_value){};

TEST(stored_value, one_version_is_in_force_whatever_the_marker_says)
{
    const auto text = record("b1", at(5));
    STRCMP_EQUAL("b1", in_force(text, nullptr).c_str());
    for (const std::uint64_t marker : {4U, 5U, 6U})
        STRCMP_EQUAL("b1", in_force_at(marker, text).c_str());
}

TEST(stored_value, of_two_versions_the_first_counts_until_the_marker_reaches_the_second)
{
    const auto text = record("b1", at(3)) + '\n' + record("b2", at(5));
    STRCMP_EQUAL("b1", in_force_at(3, text).c_str());
    STRCMP_EQUAL("b1", in_force_at(4, text).c_str());
    STRCMP_EQUAL("b2", in_force_at(5, text).c_str());
    STRCMP_EQUAL("b2", in_force_at(6, text).c_str());
}

TEST(stored_value, a_higher_epoch_beats_any_sequence)
{
    const auto text = record("b1", at(900)) + '\n' + record("b2", at(3, 2));
    const auto old_epoch = at(1000);
    const auto new_epoch = at(3, 2);
    STRCMP_EQUAL("b1", in_force(text, &old_epoch).c_str());
    STRCMP_EQUAL("b2", in_force(text, &new_epoch).c_str());
}

TEST(stored_value, what_is_added_is_a_tombstone_first)
{
    const auto text = tombstone(at(4)) + '\n' + record("b2", at(5));
    STRCMP_EQUAL("deleted", in_force_at(4, text).c_str());
    STRCMP_EQUAL("b2", in_force_at(5, text).c_str());
}

TEST(stored_value, what_is_deleted_is_a_tombstone_then)
{
    const auto text = record("b1", at(3)) + '\n' + tombstone(at(5));
    STRCMP_EQUAL("b1", in_force_at(4, text).c_str());
    STRCMP_EQUAL("deleted", in_force_at(5, text).c_str());
}

TEST(stored_value, a_tombstone_alone_is_a_deleted_record)
{
    STRCMP_EQUAL("user john deleted pos=00000000000000ab.1.5", tombstone(at(5)).c_str());
    STRCMP_EQUAL("deleted", in_force(tombstone(at(5)), nullptr).c_str());
    const auto value = parse(tombstone(at(5)));
    CHECK(value->first.record.position == at(5));
    CHECK(value->first.record.fields.empty());
}

TEST(stored_value, two_versions_without_a_marker_are_never_guessed_at)
{
    STRCMP_EQUAL("error",
                 in_force(record("b1", at(3)) + '\n' + record("b2", at(5)), nullptr).c_str());
}

TEST(stored_value, a_marker_of_another_table_decides_nothing)
{
    const auto marker = at(9, 1, table + 1);
    STRCMP_EQUAL("error",
                 in_force(record("b1", at(3)) + '\n' + record("b2", at(5)), &marker).c_str());
}

TEST(stored_value, a_marker_older_than_both_versions_decides_nothing)
{
    STRCMP_EQUAL("error", in_force_at(2, record("b1", at(3)) + '\n' + record("b2", at(5))).c_str());
}

TEST(stored_value, each_line_has_a_seal_of_its_own)
{
    const auto text = record("b1", at(3)) + " seal=k:one\n" + tombstone(at(5)) + " seal=k:two";
    const auto value = parse(text);
    CHECK(value.ok());
    CHECK(value->first.seal == "k:one");
    CHECK(value->first.signed_text == record("b1", at(3)));
    CHECK(value->second->seal == "k:two");
    CHECK(value->second->signed_text == tombstone(at(5)));
}

TEST(stored_value, names_with_blanks_are_quoted_in_tombstones_too)
{
    const std::string name = R"(a "deleted pos=" \ b)";
    const auto head = format_record({Kind::user, name, {}, {}});
    const auto text = make_tombstone(head, at(5));
    const auto value = parse_stored_value(text, Kind::user, name, Key_case::lower);
    CHECK(value.ok() && value->first.deleted && value->first.record.name == name);
    CHECK(stored_name(text) == head);
    CHECK(stored_name(head + " backend=b1 pos=x") == head);
}

TEST(stored_value, another_names_or_kinds_line_is_refused_in_either_place)
{
    const auto mine = record("b1", at(3));
    const auto later = record("b1", at(5));
    for (const std::string other : {"user jane backend=b1 pos=00000000000000ab.1.",
                                    "domain john backend=b1 pos=00000000000000ab.1.",
                                    "user jane deleted pos=00000000000000ab.1.",
                                    "domain john deleted pos=00000000000000ab.1.",
                                    "user john2 deleted pos=00000000000000ab.1."}) {
        check_refused(other + '4');
        check_refused(mine + '\n' + other + '4');
        check_refused(other + "4\n" + later);
    }
}

TEST(stored_value, the_second_version_is_newer_and_of_the_same_table)
{
    check_refused(record("b1", at(5)) + '\n' + record("b2", at(5)));
    check_refused(record("b1", at(5)) + '\n' + record("b2", at(4)));
    check_refused(record("b1", at(5, 2)) + '\n' + record("b2", at(6, 1)));
    check_refused(record("b1", at(5)) + '\n' + record("b2", at(6, 1, table + 1)));
}

TEST(stored_value, a_line_that_is_not_understood_refuses_the_whole_value)
{
    const auto good = record("b1", at(3));
    for (const std::string bad : {"", " ", "user john", "user john backend=b1", "user john deleted",
                                  "user john deleted pos=", "user john deleted pos=x",
                                  "user john deleted pos=0000000000000000.1.5",
                                  "user john  deleted pos=00000000000000ab.1.5",
                                  "user john deleted pos=00000000000000ab.1.5 ",
                                  "user john deleted pos=00000000000000ab.1.5 x",
                                  "user john deleted pos=00000000000000ab.1.5 seal=",
                                  "user john deleted pos=00000000000000ab.1.5 seal=a b",
                                  "user john deleted backend=b1 pos=00000000000000ab.1.5",
                                  "user john backend=b1 deleted pos=00000000000000ab.1.5",
                                  "user John deleted pos=00000000000000ab.1.5"}) {
        check_refused(bad);
        check_refused(good + '\n' + bad);
        check_refused(bad + '\n' + record("b1", at(9)));
    }
}

TEST(stored_value, there_is_no_third_line_and_no_line_end)
{
    const auto two = record("b1", at(3)) + '\n' + record("b2", at(5));
    check_refused(two + '\n');
    check_refused(two + '\n' + record("b3", at(7)));
    check_refused(two + "\r");
    check_refused(record("b1", at(3)) + '\n');
    check_refused('\n' + record("b1", at(3)));
    check_refused("\n");
}
