// Texts read by bytes and by lines.
#include "core/text_input.h"

#include <sstream>
#include <string>

#include <CppUTest/TestHarness.h>

using namespace proxymap;

TEST_GROUP(text_input){};

TEST(text_input, lines_come_without_their_ends)
{
    std::istringstream stream("a\nb\r\n\n\rc\r\nd");
    Text_input in(stream);
    for (const char *line : {"a", "b", "", "\rc", "d"}) {
        CHECK(in.next_line(10) == line);
    }
    CHECK(!in.next_line(10));
}

TEST(text_input, a_line_that_is_too_long_is_cut_and_the_next_is_whole)
{
    std::istringstream stream(std::string(200'000, 'x') + "\njoe\n");
    Text_input in(stream);
    LONGS_EQUAL(12, in.next_line(10)->size());
    CHECK(in.too_long());
    CHECK(in.next_line(10) == "joe");
    CHECK(!in.too_long());
}

TEST(text_input, bytes_are_got_across_the_buffer)
{
    std::string text;
    for (int i = 0; i < 70'000; i++) {
        text += static_cast<char>(i % 251);
    }
    std::istringstream stream(text);
    Text_input in(stream);
    for (const char c : text) {
        LONGS_EQUAL(static_cast<unsigned char>(c), in.peek());
        LONGS_EQUAL(static_cast<unsigned char>(c), in.get());
    }
    LONGS_EQUAL(Text_input::end, in.peek());
    LONGS_EQUAL(Text_input::end, in.get());
    CHECK(!in.failed());
}

TEST(text_input, looking_ahead_takes_nothing)
{
    std::istringstream stream("one\ntwo\n");
    Text_input in(stream);
    CHECK(in.peek_line() == "one");
    in.skip("two");
    CHECK(in.next_line(10) == "one");
    in.skip("tw");
    CHECK(in.next_line(10) == "o");
    CHECK(in.peek_line().empty());
}
