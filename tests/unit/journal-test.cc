// The journal's text, and the parts in which a mirror holds it.
#include "core/journal.h"

#include <string>

#include <CppUTest/TestHarness.h>

using namespace proxymap;

namespace {

const Position position{0xab, 1, 42};

std::string long_text(std::size_t lines)
{
    std::string text;
    for (std::size_t i = 0; i < lines; i++)
        text += format_journal_line(Kind::user, "user" + std::to_string(i) + "@example.com");
    return text;
}

} // namespace

TEST_GROUP(journal){};

TEST(journal, names_a_record_a_line_as_its_own_text_does)
{
    STRCMP_EQUAL("user john\n", format_journal_line(Kind::user, "john").c_str());
    STRCMP_EQUAL("default *\n", format_journal_line(Kind::default_route, "*").c_str());
    STRCMP_EQUAL("user \"a \\\"b\\\" \\\\\"\n",
                 format_journal_line(Kind::user, "a \"b\" \\").c_str());
}

TEST(journal, what_is_written_is_read_back)
{
    const std::vector<Key> keys = {{Kind::user, "john"},
                                   {Kind::user, "a b"},
                                   {Kind::user, "\\\""},
                                   {Kind::default_route, "*"}};
    std::string text;
    for (const auto &[kind, name] : keys)
        text += format_journal_line(kind, name);
    const auto entry = parse_journal_text(text);
    CHECK(entry.ok() && !entry->reset);
    CHECK(entry->keys == keys);
}

TEST(journal, nothing_at_all_is_an_entry_without_changes)
{
    const auto entry = parse_journal_text("");
    CHECK(entry.ok() && !entry->reset && entry->keys.empty());
}

TEST(journal, a_reset_stands_alone)
{
    const auto entry = parse_journal_text("reset\n");
    CHECK(entry.ok() && entry->reset && entry->keys.empty());
    CHECK(!parse_journal_text("reset\nuser john\n").ok());
    CHECK(!parse_journal_text("user john\nreset\n").ok());
}

TEST(journal, the_time_stands_first)
{
    const auto entry = parse_journal_text(format_journal_time(1763887336) + "user john\n");
    CHECK(entry.ok() && entry->time == 1763887336 && entry->keys.size() == 1);
    const auto reset = parse_journal_text("time 1763887336\nreset\n");
    CHECK(reset.ok() && reset->time == 1763887336 && reset->reset);
    LONGS_EQUAL(0, parse_journal_text("user john\n")->time);
}

TEST(journal, anything_else_is_an_error)
{
    for (const char *text : {"time 1",
                             "time \n",
                             "time 0\n",
                             "time 01\n",
                             "time -1\n",
                             "time x\n",
                             "time 1 \n",
                             "time 1\ntime 2\n",
                             "user john\ntime 1\n",
                             "time 99999999999999999999\n",
                             "user john",
                             "user john\n\n",
                             "\n",
                             "user\n",
                             "user \n",
                             "user john \n",
                             "user  john\n",
                             "user john backend=b1\n",
                             "reset",
                             "host b1\n",
                             "user \"john\"\n",
                             "user \"a b\n",
                             "default x\n",
                             "user a\tb\n"})
        CHECK_TEXT(!parse_journal_text(text).ok(), text);
}

TEST(journal, a_mirrors_entry_says_its_position_and_its_parts)
{
    const auto parts = split_journal_entry(position, "user john\n");
    LONGS_EQUAL(1, parts.size());
    STRCMP_EQUAL("v1 pos=00000000000000ab.1.42 parts=1\nuser john\n", parts[0].c_str());
    const auto part = parse_journal_part(parts[0]);
    CHECK(part.ok() && part->position == position && part->parts == 1);
    CHECK(part->text == "user john\n");
}

TEST(journal, a_long_entry_is_cut_between_lines_and_joins_to_the_same)
{
    const auto text = long_text(max_journal_keys);
    const auto parts = split_journal_entry(position, text);
    CHECK(parts.size() > 1);
    std::string joined;
    for (const auto &value : parts) {
        CHECK(value.size() < 64U << 10U);
        const auto part = parse_journal_part(value);
        CHECK(part.ok() && part->position == position && part->parts == parts.size());
        CHECK(part->text.ends_with('\n'));
        joined += part->text;
    }
    CHECK(joined == text);
}

TEST(journal, one_of_too_many_parts_is_a_reset)
{
    std::string text = format_journal_time(7);
    while (text.size() <= max_journal_part_bytes * max_journal_parts)
        text += format_journal_line(Kind::user, std::string(500, 'x'));
    const auto parts = split_journal_entry(position, text);
    LONGS_EQUAL(1, parts.size());
    CHECK(parse_journal_part(parts[0])->text == "time 7\nreset\n");
}

TEST(journal, what_is_no_part_is_refused)
{
    for (const char *value :
         {"", "\n", "user john\n", "v1 pos=00000000000000ab.1.42 parts=1",
          "v2 pos=00000000000000ab.1.42 parts=1\n", "v1 pos=0000000000000000.1.42 parts=1\n",
          "v1 pos=00000000000000ab.1.42 parts=0\n", "v1 pos=00000000000000ab.1.42 parts=17\n",
          "v1 pos=00000000000000ab.1.42 parts=01\n", "v1 pos=00000000000000ab.1.42 parts=1 \n",
          "v1 pos=00000000000000ab.1.42 parts=\n", "v1 pos=x parts=1\n"})
        CHECK_TEXT(!parse_journal_part(value).ok(), value);
}

TEST(journal, keys_are_those_that_no_record_has)
{
    STRCMP_EQUAL("pm:log:42", journal_key("pm", 42, 1).c_str());
    STRCMP_EQUAL("pm:log:42:2", journal_key("pm", 42, 2).c_str());
}
