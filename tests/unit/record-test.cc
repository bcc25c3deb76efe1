// Records: what they hold, and their canonical text.
#include "core/record.h"

#include <string>

#include <CppUTest/TestHarness.h>

using namespace proxymap;

namespace {

Record record_of(std::string_view line, Key_case key_case = Key_case::lower)
{
    auto record = parse_record(line, key_case);
    CHECK_TEXT(record.ok(), record.ok() ? "" : record.error().message.c_str());
    return std::move(*record);
}

std::string canonical(std::string_view line)
{
    return format_record(record_of(line));
}

} // namespace

TEST_GROUP(record){};

TEST(record, the_field_of_the_service_is_found_before_the_general_one)
{
    const auto record = record_of("user john host=b1 port.imap=1143 port=143 port.sieve=1");
    STRCMP_EQUAL("1143", record.find(Field_id::port, Service::imap)->c_str());
    STRCMP_EQUAL("143", record.find(Field_id::port, Service::pop3)->c_str());
    STRCMP_EQUAL("143", record.find(Field_id::port, Service::any)->c_str());
}

TEST(record, the_field_of_one_service_is_not_found_for_another)
{
    const auto record = record_of("user john host=b1 port.imap=1143");
    POINTERS_EQUAL(nullptr, record.find(Field_id::port, Service::pop3));
    POINTERS_EQUAL(nullptr, record.find(Field_id::port, Service::any));
    POINTERS_EQUAL(nullptr, record.find(Field_id::hostip, Service::imap));
}

TEST(record, the_canonical_text_has_single_blanks_and_the_order_of_the_fields)
{
    STRCMP_EQUAL("user john port=1 host=b1",
                 canonical("  user\tjohn   port=1 \t host=b1  ").c_str());
    STRCMP_EQUAL("backend b1 port.sieve=1 forward_x.pop3=y",
                 canonical("backend b1 port.managesieve=1 forward_x.pop3=y").c_str());
}

TEST(record, a_value_with_blanks_is_quoted)
{
    STRCMP_EQUAL("user john reason=\"come back later\"",
                 canonical("user john reason=\"come back later\"").c_str());
}

TEST(record, a_value_with_quotes_is_quoted_and_escaped)
{
    STRCMP_EQUAL("user john reason=\"a\\\"b\\\\c\"",
                 canonical("user john reason=\"a\\\"b\\\\c\"").c_str());
}

TEST(record, an_empty_value_is_quoted)
{
    STRCMP_EQUAL("user john reason=\"\"", canonical("user john reason=\"\"").c_str());
}

TEST(record, a_value_is_quoted_only_where_it_must_be)
{
    STRCMP_EQUAL("user john reason=a\\b=c", canonical("user john reason=\"a\\\\b=c\"").c_str());
}

TEST(record, a_name_is_quoted_like_a_value)
{
    STRCMP_EQUAL("user \"john doe\" host=b1", canonical("user \"john doe\" host=b1").c_str());
}

TEST(record, the_stored_text_ends_in_the_position)
{
    auto record = record_of("user john backend=b1");
    record.position = {0xff, 2, 3};
    STRCMP_EQUAL("user john backend=b1 pos=00000000000000ff.2.3",
                 format_stored_record(record).c_str());
}

TEST(record, names_are_folded_to_lower_case_in_ascii_only)
{
    STRCMP_EQUAL("joe@example.org\xc3\x84",
                 fold_name("Joe@EXAMPLE.org\xc3\x84", Key_case::lower).c_str());
    STRCMP_EQUAL("Joe", fold_name("Joe", Key_case::keep).c_str());
}

TEST(record, folding_takes_the_backends_that_a_record_names_along)
{
    STRCMP_EQUAL("user joe backend=b1 backend.imap=b2",
                 canonical("user Joe backend=B1 backend.imap=B2").c_str());
    STRCMP_EQUAL("backend b1 failover=b2 tls_policy=Strict",
                 canonical("backend B1 failover=B2 tls_policy=Strict").c_str());
    STRCMP_EQUAL("user Joe backend=B1",
                 format_record(record_of("user Joe backend=B1", Key_case::keep)).c_str());
}

TEST(record, a_name_is_possible_when_it_has_1_to_512_bytes_and_no_control_character)
{
    CHECK(is_possible_name("j"));
    CHECK(is_possible_name("john doe \"\xff\\%"));
    CHECK(is_possible_name(std::string(512, 'a')));
    CHECK(!is_possible_name(std::string(513, 'a')));
    CHECK(!is_possible_name(""));
    for (const auto name : {std::string_view("a\nb"), std::string_view("a\0", 2),
                            std::string_view("\t"), std::string_view("\x7f")}) {
        CHECK(!is_possible_name(name));
    }
}

TEST(record, kinds_are_read_as_they_are_written)
{
    for (const auto kind : {Kind::user, Kind::domain, Kind::default_route, Kind::backend}) {
        CHECK(parse_kind(to_string(kind)) == kind);
    }
    for (const char *word : {"", "User", "users", "default_route", "marker"}) {
        CHECK_TEXT(!parse_kind(word).has_value(), word);
    }
}
