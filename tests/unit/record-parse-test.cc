// How records are read: the grammar, and what is refused.
#include "core/record.h"

#include <string>

#include <CppUTest/TestHarness.h>

using namespace proxymap;

namespace {

const std::string pos = " pos=0000000000000001.2.3";

std::string error_of(std::string_view line)
{
    const auto record = parse_record(line, Key_case::lower);
    return record ? "" : record.error().message;
}

std::string stored_error_of(std::string_view text)
{
    const auto stored = parse_stored_record(text, Key_case::lower);
    return stored ? "" : stored.error().message;
}

bool says(const std::string &message, std::string_view part)
{
    return message.find(part) != std::string::npos;
}

} // namespace

TEST_GROUP(record_parse){};

TEST(record_parse, reads_the_records_of_the_manual)
{
    for (const char *line : {
             "backend  b1            host=192.168.0.1 tls=starttls tls_policy=strict source=out",
             "backend  b2            host=192.168.0.2 port.imap=1143",
             "user     john          backend=b1",
             "user     joe           host=192.168.0.2 destuser=joe@example.com",
             "domain   example.org   backend=b2 destuser=%{username}",
             "default  *             backend=b1",
         }) {
        STRCMP_EQUAL_TEXT("", error_of(line).c_str(), line);
    }
}

TEST(record_parse, reads_every_part)
{
    const auto record =
        parse_record("user Joe host=b1 port.imap=1143 forward_team.pop3=\"a b\"", Key_case::lower);
    CHECK(record.ok());
    CHECK(record->kind == Kind::user);
    STRCMP_EQUAL("joe", record->name.c_str());
    CHECK(!record->position.known());
    LONGS_EQUAL(3, record->fields.size());
    CHECK((record->fields[1] == Record_field{Field_id::port, Service::imap, "", "1143"}));
    CHECK((record->fields[2] ==
           Record_field{Field_id::forward_prefix, Service::pop3, "team", "a b"}));
}

TEST(record_parse, a_mechanism_is_kept_in_upper_case)
{
    const auto record = parse_record("user joe host=b1 proxy_mech=scram-sha-256", Key_case::lower);
    STRCMP_EQUAL("SCRAM-SHA-256", record->fields[1].value.c_str());
}

TEST(record_parse, a_time_is_kept_as_dovecot_reads_it)
{
    const auto record = parse_record("backend b1 host=b1 proxy_timeout=1m proxy_refresh=5m "
                                     "proxy_host_immediate_failure_after=30",
                                     Key_case::lower);
    STRCMP_EQUAL("60", record->fields[1].value.c_str());
    STRCMP_EQUAL("300", record->fields[2].value.c_str());
    STRCMP_EQUAL("30s", record->fields[3].value.c_str());
}

TEST(record_parse, a_line_that_is_no_record_is_refused)
{
    for (const char *line : {"", " ", "john backend=b1", "user", "user ", "User john backend=b1",
                             "# user john backend=b1", "user=john backend=b1"}) {
        CHECK_TEXT(!error_of(line).empty(), line);
    }
    CHECK(says(error_of("users john backend=b1"), "user, domain, default or backend"));
}

TEST(record_parse, a_word_that_is_no_field_is_refused_without_showing_it)
{
    const auto message = error_of("user john pass=correct horse");
    CHECK(says(message, "after \"pass\" is not name=value"));
    CHECK(says(message, "double quotes"));
    CHECK(!says(message, "horse"));
    CHECK(says(error_of("user john b1"), "after the name"));
    CHECK(!error_of("user john backend=b1 # comment").empty());
    CHECK(!error_of("user john \"host\"=b1").empty());
    CHECK(!error_of("user john host = b1").empty());
}

TEST(record_parse, a_value_that_is_missing_is_refused)
{
    CHECK(says(error_of("user john host="), "\"host\" has no value"));
    CHECK(says(error_of("user john reason= host=b1"), "\"reason\" has no value"));
}

TEST(record_parse, wrong_quoting_is_refused)
{
    CHECK(says(error_of("user john reason=\"x"), "no closing quote"));
    CHECK(says(error_of("user john reason=\"x\\"), "backslash"));
    CHECK(says(error_of("user john reason=\"x\\\""), "no closing quote"));
    CHECK(says(error_of("user john reason=\"x\\n\""), "backslash"));
    CHECK(says(error_of("user john reason=\"x\"y"), "after the closing quote"));
    CHECK(says(error_of("user john reason=\"x\"host=b1"), "after the closing quote"));
    CHECK(says(error_of("user john reason=x\"y\""), "quote inside"));
    CHECK(says(error_of("user jo\"hn host=b1"), "quote inside"));
}

TEST(record_parse, an_equals_sign_in_a_value_is_part_of_it)
{
    const auto record = parse_record("user john destuser=a=b", Key_case::lower);
    STRCMP_EQUAL("a=b", record->fields[0].value.c_str());
}

TEST(record_parse, a_field_stands_only_once)
{
    CHECK(says(error_of("user john host=b1 host=b2"), "\"host\" stands twice"));
    CHECK(!error_of("user john host=b1 port.sieve=1 port.managesieve=2").empty());
    CHECK(!error_of("user john host=b1 forward_a=1 forward_a=1").empty());
    CHECK(error_of("user john host=b1 forward_a=1 forward_b=1 event_a=1").empty());
    CHECK(error_of("user john host=b1 port=1 port.imap=1 port.pop3=1").empty());
}

TEST(record_parse, control_characters_are_refused_wherever_they_stand)
{
    for (const auto line :
         {std::string_view("user jo\nhn host=b1"), std::string_view("user john host=b1\n"),
          std::string_view("user john host=b1\r"), std::string_view("user\0john host=b1", 17),
          std::string_view("user john fo\x01rward_a=b"), std::string_view("user john\x7f host=b1"),
          std::string_view("user john reason=\"a\tb\""),
          std::string_view("user \"a\tb\" host=b1")}) {
        CHECK(says(error_of(line), "control character"));
    }
}

TEST(record_parse, a_record_has_at_most_4096_bytes)
{
    std::string line = "user john";
    for (int i = 0; i < 7; i++) {
        line += " event_a" + std::to_string(i) + "=" + std::string(500, 'x');
    }
    const std::string last = " event_z=";
    line += last + std::string(max_record_bytes - line.size() - last.size(), 'x');
    LONGS_EQUAL(4096, line.size());
    STRCMP_EQUAL("", error_of(line).c_str());
    CHECK(says(error_of(line + " "), "4097 bytes; at most 4096"));
    STRCMP_EQUAL("", stored_error_of(line + pos).c_str());
    CHECK(!stored_error_of(line + "x" + pos).empty());
}

TEST(record_parse, a_record_that_grows_too_long_when_stored_is_refused_at_once)
{
    std::string line = "backend b1 host=b1 proxy_timeout=1d";
    for (int i = 0; i < 7; i++) {
        line += " event_a" + std::to_string(i) + "=" + std::string(500, 'x');
    }
    const std::string last = " event_z=";
    line += last + std::string(max_record_bytes - line.size() - last.size(), 'x');
    CHECK(says(error_of(line), "at most 4096"));
    line.resize(line.size() - 3);
    STRCMP_EQUAL("", error_of(line).c_str());
}

TEST(record_parse, position_and_seal_are_not_the_admins_to_write)
{
    CHECK(says(error_of("user john backend=b1" + pos), "only doveadm proxymap writes it"));
    CHECK(says(error_of("user john backend=b1 seal=k1:x"), "only doveadm proxymap writes it"));
}

TEST_GROUP(stored_record){};

TEST(stored_record, has_a_position_and_perhaps_a_seal)
{
    const std::string text = "user john backend=b1" + pos;
    const auto plain = parse_stored_record(text, Key_case::lower);
    CHECK(plain.ok());
    CHECK((plain->record.position == Position{1, 2, 3}));
    CHECK(plain->seal.empty());
    CHECK(plain->signed_text == text);

    const std::string with_seal = text + " seal=k1:abc";
    const auto sealed = parse_stored_record(with_seal, Key_case::lower);
    CHECK(sealed.ok());
    CHECK(sealed->seal == "k1:abc");
    CHECK(sealed->signed_text == text);
    CHECK(sealed->record.fields == plain->record.fields);
}

TEST(stored_record, what_is_written_is_read_back)
{
    const std::string text = "user \"john doe\" host=b1 reason=\"x \\\" seal=y\"" + pos;
    const auto stored = parse_stored_record(text, Key_case::lower);
    CHECK(stored.ok());
    STRCMP_EQUAL(text.c_str(), format_stored_record(stored->record).c_str());
}

TEST(stored_record, a_seal_within_a_value_is_none)
{
    const std::string text = "user john reason=\"a seal=k1:x pos=1\"" + pos;
    const auto stored = parse_stored_record(text, Key_case::lower);
    CHECK(stored.ok());
    CHECK(stored->seal.empty());
    CHECK(stored->signed_text == text);
}

TEST(stored_record, without_a_known_position_is_refused)
{
    for (const char *end :
         {"", " pos=", " pos=1.2.3", " pos=0000000000000000.0.0", " pos=0000000000000000.1.1",
          " pos=\"0000000000000001.2.3\"", " seal=k1:x", " pos.imap=0000000000000001.2.3"}) {
        CHECK_TEXT(!stored_error_of(std::string("user john backend=b1") + end).empty(), end);
    }
}

TEST(stored_record, nothing_but_one_seal_follows_the_position)
{
    for (const char *end :
         {" ", " host=b1", " seal=", " seal", "  seal=k1:x", " seal=k1:x ", " seal=k1:x seal=k1:x",
          " seal=k1:x host=b1", " seal=\"k1:x\"", " pos=0000000000000001.2.3", "\tseal=k1:x"}) {
        CHECK_TEXT(!stored_error_of("user john backend=b1" + pos + end).empty(), end);
    }
}

TEST(stored_record, obeys_every_rule_of_a_record)
{
    for (const char *start : {"user john", "user john nopassword=y", "user john host=%{domain}",
                              "user john proxy_maybe=y", "user john hostip=1.2.3.4",
                              "user * host=a", "user john\nhost=b1", "john host=b1", ""}) {
        CHECK_TEXT(!stored_error_of(start + pos).empty(), start);
    }
}

TEST(stored_record, is_never_half_read)
{
    const std::string text = "user john host=b1 port=143 destuser=joe" + pos;
    for (std::size_t length = 0; length < text.size(); length++) {
        CHECK_TEXT(!stored_error_of(text.substr(0, length)).empty(),
                   text.substr(0, length).c_str());
    }
}

TEST(stored_record, a_trailer_of_any_length_is_refused)
{
    CHECK(!stored_error_of("user john backend=b1" + pos + " seal=k1:" + std::string(5000, 'x'))
               .empty());
}
