// The memo of contents: what it says of any text is what the parser says.
#include "core/record_memo.h"

#include <optional>
#include <string>
#include <vector>

#include <CppUTest/TestHarness.h>

using namespace proxymap;

namespace {

const std::string pos = " pos=00000000000000aa.1.7";

// What parse_stored_record() makes of it, in the same words. Nothing: refused.
std::optional<std::string> parsed(const std::string &text, const std::string &name)
{
    const auto stored = parse_stored_record(text, Key_case::lower);
    if (!stored || stored->record.kind != Kind::user || stored->record.name != name)
        return std::nullopt;
    Record record = stored->record;
    record.name.clear();
    return format_record(record) + " at " + format_position(record.position) + " sealed " +
           std::string(stored->seal) + " signed " + std::string(stored->signed_text);
}

} // namespace

TEST_GROUP(record_memo)
{
    Record_memo memo{Key_case::lower};

    std::optional<std::string> read(const std::string &text, const std::string &name)
    {
        const auto record = memo.read(text, Kind::user, name);
        if (!record)
            return std::nullopt;
        Record shown = *record->content;
        CHECK(shown.name.empty() && !shown.position.known());
        return format_record(shown) + " at " + format_position(record->position) + " sealed " +
               std::string(record->seal) + " signed " + std::string(record->signed_text);
    }

    // Twice, so that the second time it may come from the memo.
    void check_as_parsed(const std::string &text, const std::string &name)
    {
        const auto expected = parsed(text, name);
        for (int i = 0; i < 2; i++) {
            const auto got = read(text, name);
            CHECK_TEXT(got.has_value() == expected.has_value(), text.c_str());
            if (got)
                STRCMP_EQUAL(expected->c_str(), got->c_str());
        }
    }
};

TEST(record_memo, records_that_say_the_same_share_their_content)
{
    const auto john = memo.read("user john backend=b1" + pos, Kind::user, "john");
    const auto joe = memo.read("user joe backend=b1 pos=00000000000000aa.2.9", Kind::user, "joe");
    const auto ann = memo.read("user ann backend=b2" + pos, Kind::user, "ann");
    POINTERS_EQUAL(john->content.get(), joe->content.get());
    CHECK(john->content != ann->content);
    CHECK(john->position == (Position{0xaa, 1, 7}));
    CHECK(joe->position == (Position{0xaa, 2, 9}));
    STRCMP_EQUAL("b2", ann->content->fields.at(0).value.c_str());
}

TEST(record_memo, kinds_are_told_apart)
{
    const auto user = memo.read("user a host=10.0.0.1" + pos, Kind::user, "a");
    const auto domain = memo.read("domain a host=10.0.0.1" + pos, Kind::domain, "a");
    CHECK(user->content->kind == Kind::user);
    CHECK(domain->content->kind == Kind::domain);
}

TEST(record_memo, another_ones_record_is_refused_also_when_its_fields_are_known)
{
    CHECK(memo.read("user john backend=b1" + pos, Kind::user, "john").ok());
    STRCMP_EQUAL(
        "its record is another one's",
        memo.read("user john backend=b1" + pos, Kind::user, "joe").error().message.c_str());
    CHECK(!memo.read("user john backend=b1" + pos, Kind::domain, "john").ok());
    CHECK(!memo.read("user johnny backend=b1" + pos, Kind::user, "john").ok());
}

TEST(record_memo, whatever_the_text_it_says_what_the_parser_says)
{
    CHECK(memo.read("user john host=a reason=x" + pos, Kind::user, "john").ok());
    CHECK(memo.read("user john host=a" + pos, Kind::user, "john").ok());
    const std::vector<std::string> texts = {
        "user john host=a" + pos,
        "user john host=a" + pos + " seal=k1:abc",
        "user john host=a" + pos + " seal=k1:abc pos=00000000000000aa.1.8",
        "user john host=a" + pos + " seal=",
        "user john host=a" + pos + " seal=k1:a\"c",
        "user john host=a" + pos + " seal=k1:a\tc",
        "user john host=a" + pos + " seal=k1:a\nc",
        "user john host=a" + pos + " ",
        "user john host=a" + pos + " host=b",
        "user john host=a" + pos + "\n",
        "user john host=a pos=0000000000000000.1.7",
        "user john host=a pos=x",
        "user john host=a pos=",
        "user john host=a",
        "user john host=a " + pos,
        "user  john host=a" + pos,
        " user john host=a" + pos,
        "user\tjohn host=a" + pos,
        "user \"john\" host=a" + pos,
        "USER john host=a" + pos,
        "user John host=a" + pos,
        "user john" + pos,
        "user john host=a reason=\"x" + pos + "\"" + pos,
        "user john host=a reason=\"x" + pos + "\"",
        "user john host=a reason=x" + pos + " pos=00000000000000aa.1.8",
        "user john host=a host=b" + pos,
        "user john proxy=y" + pos,
        "user john host=a" + std::string(5000, ' ') + pos,
        "",
        "user",
        "user john",
        "user john ",
        pos,
    };
    for (int round = 0; round < 2; round++) {
        for (const auto &text : texts)
            check_as_parsed(text, "john");
    }
}

TEST(record_memo, a_value_that_holds_a_position_does_not_end_there)
{
    const std::string text = "user john host=a reason=\"x" + pos + "\"" + pos;
    check_as_parsed(text, "john");
    // The fields up to the first ` pos=` are no whole fields.
    check_as_parsed("user joe host=a reason=\"x" + pos, "joe");
    check_as_parsed("user joe host=a reason=\"x" + pos + "\"" + pos, "joe");
}

TEST(record_memo, more_contents_than_it_keeps_are_read_right)
{
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < 3000; i++)
            check_as_parsed("user john host=10.0.0.1 destuser=u" + std::to_string(i) + pos, "john");
    }
}
