// Values of settings by kind, and the sentence for a name that nobody knows.
#include "core/conf_value.h"

#include <array>
#include <string>

#include <CppUTest/TestHarness.h>

using namespace proxymap;

namespace {

template <typename T> std::string refusal(const Result<T> &result)
{
    CHECK_TEXT(!result.ok(), "taken, but it should have been refused");
    return result.error().message;
}

} // namespace

TEST_GROUP(conf_value){};

TEST(conf_value, yes_and_no_are_the_only_answers)
{
    CHECK(*parse_yes_no("yes"));
    CHECK(!*parse_yes_no("no"));
    for (const char *value : {"", "y", "true", "YES", "1", "yes "})
        STRCMP_EQUAL("it must be yes or no", refusal(parse_yes_no(value)).c_str());
}

TEST(conf_value, a_number_is_whole_and_in_its_range)
{
    LONGS_EQUAL(1, *parse_number("1", 1, 100));
    LONGS_EQUAL(100, *parse_number("100", 1, 100));
    for (const char *value : {"", "0", "101", "-1", "+1", "1x", " 1", "1.0", "4294967297"})
        STRCMP_EQUAL("it must be a whole number from 1 to 100",
                     refusal(parse_number(value, 1, 100)).c_str());
}

TEST(conf_value, a_time_is_in_its_range)
{
    LONGS_EQUAL(1000, *parse_time_between("1s", "1s", "1h"));
    LONGS_EQUAL(3'600'000, *parse_time_between("60m", "1s", "1h"));
    LONGS_EQUAL(0, *parse_time_between("0", "0", "1h"));
    for (const char *value : {"0", "999ms", "3601s", "2h"})
        STRCMP_EQUAL("it must be 1s to 1h", refusal(parse_time_between(value, "1s", "1h")).c_str());
    CHECK(refusal(parse_time_between("10", "1s", "1h")).starts_with("the time has no unit"));
}

TEST(conf_value, a_file_name_is_absolute)
{
    STRCMP_EQUAL("/a b", parse_file_name("/a b")->c_str());
    for (const char *value : {"", "a", "./a", "~/a"})
        STRCMP_EQUAL("it must be an absolute path", refusal(parse_file_name(value)).c_str());
}

TEST(conf_value, an_unknown_name_is_told_its_nearest)
{
    constexpr std::array<std::string_view, 3> allowed = {"ca_file", "crl_file", "sni"};
    STRCMP_EQUAL("unknown setting \"ca_fiel\": did you mean ca_file?",
                 unknown_setting("ca_fiel", allowed).message.c_str());
    STRCMP_EQUAL("unknown setting \"crlfile\": did you mean crl_file?",
                 unknown_setting("crlfile", allowed).message.c_str());
}

TEST(conf_value, a_name_that_is_near_to_none_is_told_them_all)
{
    constexpr std::array<std::string_view, 2> allowed = {"ca_file", "sni"};
    for (const char *name : {"x", "snooze", "", "certificate"})
        STRCMP_EQUAL(
            ("unknown setting \"" + std::string(name) + "\": allowed are ca_file, sni").c_str(),
            unknown_setting(name, allowed).message.c_str());
    CHECK(unknown_setting(std::string(5000, 'x'), allowed).message.size() < 200);
}
