// Patterns of names.
#include "core/glob.h"

#include <string>

#include <CppUTest/TestHarness.h>

using namespace proxymap;

namespace {

bool matches(std::string_view pattern, std::string_view text)
{
    const auto glob = Glob::parse(pattern);
    CHECK(glob.ok());
    return glob->matches(text);
}

} // namespace

TEST_GROUP(glob){};

TEST(glob, a_pattern_without_signs_is_the_whole_text)
{
    CHECK(matches("joe", "joe"));
    CHECK(!matches("joe", "joey"));
    CHECK(!matches("joe", "jo"));
    CHECK(matches("", ""));
    CHECK(!matches("", "j"));
}

TEST(glob, a_star_stands_for_any_bytes_or_none)
{
    CHECK(matches("*", ""));
    CHECK(matches("*@example.org", "joe@example.org"));
    CHECK(matches("jo*", "jo"));
    CHECK(matches("*a*b*", "xxaxxbxx"));
    CHECK(!matches("*a*b*", "xxbxxaxx"));
    CHECK(matches("**", "a/.b"));
}

TEST(glob, a_star_that_matched_too_little_is_tried_again)
{
    CHECK(matches("*ab", "aab"));
    CHECK(matches("*aab", "aaaab"));
    CHECK(!matches("*aab", "aaaba"));
}

TEST(glob, a_question_mark_stands_for_one_byte)
{
    CHECK(matches("j?e", "joe"));
    CHECK(!matches("j?e", "je"));
}

TEST(glob, brackets_stand_for_one_of_their_bytes)
{
    CHECK(matches("[a-c]x", "bx"));
    CHECK(!matches("[a-c]x", "dx"));
    CHECK(matches("[!a-c]x", "dx"));
    CHECK(!matches("[!a-c]x", "ax"));
    CHECK(matches("[]a]", "]"));
    CHECK(matches("[a-]", "-"));
    CHECK(!matches("[a]", ""));
    CHECK(matches("[\x80-\xff]", "\xc3"));
}

TEST(glob, a_backslash_takes_the_next_byte_as_it_is)
{
    CHECK(matches("a\\*", "a*"));
    CHECK(!matches("a\\*", "ab"));
    CHECK(matches("\\[a]", "[a]"));
}

TEST(glob, a_pattern_that_does_not_end_is_an_error)
{
    for (const char *pattern : {"a[", "[!", "[]", "a\\", "*[a-"}) {
        CHECK(!Glob::parse(pattern).ok());
    }
}

TEST(glob, many_stars_take_no_exponential_time)
{
    std::string pattern;
    for (int i = 0; i < 100; i++) {
        pattern += "*a";
    }
    CHECK(!matches(pattern + "b", std::string(10'000, 'a')));
}
