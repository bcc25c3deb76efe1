// Times in the fields of a record.
#include "core/field_time.h"

#include <CppUTest/TestHarness.h>

using namespace proxymap;

TEST_GROUP(field_time){};

TEST(field_time, a_bare_number_is_in_seconds)
{
    CHECK(parse_field_time("0") == 0);
    CHECK(parse_field_time("30") == 30'000);
}

TEST(field_time, units_are_those_of_dovecot)
{
    CHECK(parse_field_time("1500ms") == 1500);
    CHECK(parse_field_time("1500msecs") == 1500);
    CHECK(parse_field_time("30s") == 30'000);
    CHECK(parse_field_time("30secs") == 30'000);
    CHECK(parse_field_time("5m") == 300'000);
    CHECK(parse_field_time("5mins") == 300'000);
    CHECK(parse_field_time("2h") == 7'200'000);
    CHECK(parse_field_time("2hours") == 7'200'000);
    CHECK(parse_field_time("1d") == 86'400'000);
    CHECK(parse_field_time("1days") == 86'400'000);
}

TEST(field_time, more_than_a_day_is_refused_however_it_is_written)
{
    for (const char *text : {"2d", "25h", "86401", "86400001ms", "18446744073709551615",
                             "18446744073709551616", "213503982335d"}) {
        CHECK_TEXT(!parse_field_time(text).has_value(), text);
    }
}

TEST(field_time, anything_else_is_refused)
{
    for (const char *text : {"", "s", "-1", "+1", " 1", "1 ", "1 s", "1S", "1w", "1s1s", "0x1"}) {
        CHECK_TEXT(!parse_field_time(text).has_value(), text);
    }
}

TEST(field_time, each_field_has_the_text_that_all_its_readers_take)
{
    STRCMP_EQUAL("30", format_field_time(Field_id::proxy_timeout, 30'000).c_str());
    STRCMP_EQUAL("1500ms", format_field_time(Field_id::proxy_timeout, 1500).c_str());
    STRCMP_EQUAL("30", format_field_time(Field_id::proxy_refresh, 30'000).c_str());
    STRCMP_EQUAL("30s",
                 format_field_time(Field_id::proxy_host_immediate_failure_after, 30'000).c_str());
}

TEST(field_time, what_is_written_is_read_as_the_same_time)
{
    for (const auto id : {Field_id::proxy_timeout, Field_id::proxy_refresh,
                          Field_id::proxy_host_immediate_failure_after}) {
        for (const std::uint64_t msecs : {0ULL, 1000ULL, 300'000ULL, 86'400'000ULL}) {
            CHECK(parse_field_time(format_field_time(id, msecs)) == msecs);
        }
    }
}
