// The closed list of field names.
#include "core/field.h"

#include <string>

#include <CppUTest/TestHarness.h>

using namespace proxymap;

namespace {

std::string error_of(std::string_view word)
{
    const auto name = parse_field_name(word);
    return name ? "" : name.error().message;
}

bool says(const std::string &message, std::string_view part)
{
    return message.find(part) != std::string::npos;
}

} // namespace

TEST_GROUP(field){};

TEST(field, every_name_of_the_list_is_read_as_it_is_written)
{
    for (int i = 0; i <= static_cast<int>(Field_id::user_prefix); i++) {
        const auto id = static_cast<Field_id>(i);
        std::string word(to_string(id));
        if (id >= Field_id::forward_prefix) {
            word += "x";
        }
        const auto name = parse_field_name(word);
        CHECK_TEXT(name.ok(), word.c_str());
        CHECK(name->id == id);
        CHECK(name->service == Service::any);
    }
}

TEST(field, a_dot_and_a_service_make_it_a_field_for_that_service)
{
    CHECK(parse_field_name("port.imap")->id == Field_id::port);
    CHECK(parse_field_name("port.imap")->service == Service::imap);
    CHECK(parse_field_name("tls.lmtp")->service == Service::lmtp);
    CHECK(parse_field_name("forward_team.pop3")->service == Service::pop3);
}

TEST(field, managesieve_is_sieve)
{
    CHECK(parse_field_name("port.managesieve")->service == Service::sieve);
    CHECK(parse_service("managesieve") == Service::sieve);
    STRCMP_EQUAL("sieve", std::string(to_string(Service::sieve)).c_str());
}

TEST(field, an_unknown_service_is_an_error_that_names_the_services)
{
    for (const char *word : {"port.", "port.smtp", "port.any", "port.imap.imap", "port.IMAP"}) {
        CHECK_TEXT(says(error_of(word), "imap, pop3, lmtp, submission or sieve"), word);
    }
}

TEST(field, an_unknown_name_is_an_error_that_lists_the_names)
{
    for (const char *word : {"hots", "Host", "HOST", "host ", "", "x", "proxy_timeouts"}) {
        CHECK_TEXT(!error_of(word).empty(), word);
    }
    CHECK(says(error_of("hots"), "unknown field \"hots\""));
    CHECK(says(error_of("hots"), "backend, host, hostip"));
    CHECK(says(error_of("hots"), "forward_NAME"));
}

TEST(field, what_decides_whether_somebody_gets_in_is_refused_and_the_error_says_why)
{
    for (const char *word : {"proxy", "proxy_maybe", "proxy_always", "nopassword", "noauthenticate",
                             "fail", "nopassword.imap", "proxy_maybe:protected"}) {
        CHECK_TEXT(says(error_of(word), "the module sets it itself"), word);
    }
    for (const char *word : {"userdb_uid", "userdb_", "userdb_mail.imap"}) {
        CHECK_TEXT(says(error_of(word), "user database"), word);
    }
}

TEST(field, a_suffix_of_dovecot_is_refused)
{
    for (const char *word : {"host:protected", "host:remove", "pass:remove"}) {
        CHECK_TEXT(says(error_of(word), "only the module"), word);
    }
    for (const char *word : {"forward_x:remove", "user_x:protected"}) {
        CHECK_TEXT(!error_of(word).empty(), word);
    }
}

TEST(field, names_that_dovecot_has_and_we_write_otherwise_are_explained)
{
    CHECK(says(error_of("ssl"), "tls=ssl"));
    CHECK(says(error_of("starttls"), "tls=starttls"));
    CHECK(says(error_of("source_ip"), "source=NAME"));
    CHECK(says(error_of("pos"), "doveadm proxymap"));
    CHECK(says(error_of("seal"), "doveadm proxymap"));
}

TEST(field, forward_names_have_at_most_20_bytes_and_other_families_64)
{
    CHECK(parse_field_name("forward_" + std::string(20, 'a')).ok());
    CHECK(!parse_field_name("forward_" + std::string(21, 'a')).ok());
    CHECK(parse_field_name("event_" + std::string(64, 'a')).ok());
    CHECK(!parse_field_name("event_" + std::string(65, 'a')).ok());
    CHECK(parse_field_name("user_" + std::string(64, 'a')).ok());
    CHECK(!parse_field_name("user_" + std::string(65, 'a')).ok());
}

TEST(field, a_family_name_is_never_empty_and_holds_no_odd_byte)
{
    for (const char *word : {"forward_", "event_", "user_", "forward_a b", "forward_\xc3\xa4",
                             "event_a\n", "user_a/b", "forward_.imap"}) {
        CHECK_TEXT(!error_of(word).empty(), word);
    }
}

TEST(field, an_error_shows_no_control_character_and_only_the_start_of_a_long_word)
{
    const auto message = error_of("a\nb\x7f" + std::string(1000, 'x'));
    CHECK(says(message, "\"a?b?xxx"));
    CHECK(says(message, "x...\""));
    CHECK(message.size() < 1000);
}

TEST(field, only_destuser_and_the_families_expand)
{
    for (int i = 0; i <= static_cast<int>(Field_id::user_prefix); i++) {
        const auto id = static_cast<Field_id>(i);
        const bool expected = id == Field_id::destuser || id >= Field_id::forward_prefix;
        CHECK_EQUAL(expected, field_expands(id));
    }
}

TEST(field, the_fields_of_allow_fields_are_just_these)
{
    std::string names;
    for (int i = 0; i <= static_cast<int>(Field_id::user_prefix); i++) {
        const auto id = static_cast<Field_id>(i);
        if (field_needs_permission(id)) {
            names += std::string(to_string(id)) + ' ';
        }
    }
    STRCMP_EQUAL("pass password allow_nets allow_real_nets delay_until nologin user ",
                 names.c_str());
}
