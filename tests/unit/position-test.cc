// Positions and markers as text.
#include "core/position.h"

#include <CppUTest/TestHarness.h>

using namespace proxymap;

TEST_GROUP(position){};

TEST(position, is_written_as_table_epoch_sequence)
{
    STRCMP_EQUAL("00000000000000ab.1.42", format_position({0xab, 1, 42}).c_str());
}

TEST(position, what_is_written_is_read_back)
{
    for (const auto &position :
         {Position{}, Position{1, 0, 0}, Position{UINT64_MAX, UINT32_MAX, UINT64_MAX},
          Position{0x0123456789abcdef, 7, 1000000}}) {
        const auto read = parse_position(format_position(position));
        CHECK(read.has_value());
        CHECK(*read == position);
    }
}

TEST(position, one_position_has_one_text)
{
    for (const char *text : {"",
                             ".",
                             "..",
                             "ab.1.2",
                             "00000000000000AB.1.2",
                             "00000000000000ab.01.2",
                             "00000000000000ab.1.02",
                             "00000000000000ab.1.2 ",
                             " 00000000000000ab.1.2",
                             "00000000000000ab.1.",
                             "00000000000000ab..2",
                             "00000000000000ab.1",
                             "00000000000000ab.",
                             "00000000000000ab",
                             "00000000000000ab.1.2.3",
                             "00000000000000ab.-1.2",
                             "00000000000000ab.+1.2",
                             "00000000000000ag.1.2",
                             "000000000000000ab.1.2",
                             "00000000000000ab.4294967296.1",
                             "00000000000000ab.1.18446744073709551616"}) {
        CHECK_TEXT(!parse_position(text).has_value(), text);
    }
}

TEST(position, a_higher_epoch_beats_any_sequence)
{
    CHECK((Position{1, 1, 900}.older_than(Position{1, 2, 1})));
    CHECK((!Position{1, 2, 1}.older_than(Position{1, 1, 900})));
    CHECK((Position{1, 1, 1}.older_than(Position{1, 1, 2})));
    CHECK((!Position{1, 1, 1}.older_than(Position{1, 1, 1})));
}

TEST(position, without_a_table_is_unknown)
{
    CHECK((!Position{0, 1, 1}.known()));
    CHECK((Position{1, 0, 0}.known()));
}

TEST_GROUP(marker){};

TEST(marker, is_written_with_its_version_and_state)
{
    STRCMP_EQUAL("v1 pos=0000000000000001.2.3 state=complete",
                 format_marker({{1, 2, 3}, Mirror_state::complete}).c_str());
    STRCMP_EQUAL("v1 pos=0000000000000001.2.3 state=loading",
                 format_marker({{1, 2, 3}, Mirror_state::loading}).c_str());
    STRCMP_EQUAL("v1 pos=0000000000000001.2.3 state=behind",
                 format_marker({{1, 2, 3}, Mirror_state::behind}).c_str());
}

TEST(marker, what_is_written_is_read_back)
{
    for (const auto state : {Mirror_state::complete, Mirror_state::loading, Mirror_state::behind}) {
        const Marker marker{{1, 2, 3}, state};
        CHECK(parse_marker(format_marker(marker)) == marker);
        CHECK(marker.complete() == (state == Mirror_state::complete));
    }
}

TEST(marker, anything_else_is_no_marker)
{
    for (const char *text :
         {"", "v1", "v2 pos=0000000000000001.2.3 state=complete", "v1 pos=0000000000000001.2.3",
          "v1 pos=0000000000000001.2.3 state=", "v1 pos=0000000000000001.2.3 state=done",
          "v1 pos=0000000000000001.2 state=complete", "v1 pos= state=complete",
          "v1 pos=0000000000000001.2.3  state=complete",
          "v1 pos=0000000000000001.2.3 state=complete ",
          "v1 pos=0000000000000001.2.3 state=complete state=complete",
          "v1 pos=0000000000000001.2.3 state=complete\n", "v1 pos= state=loading"}) {
        CHECK_TEXT(!parse_marker(text).has_value(), text);
    }
}
