// %{...} in the fields of a record.
#include "core/expand.h"

#include <string>

#include <CppUTest/TestHarness.h>

using namespace proxymap;

namespace {

std::string expanded(std::string_view value, std::string_view user, Service service = Service::imap)
{
    const auto result = expand(value, {user, service});
    CHECK_TEXT(result.ok(), result.ok() ? "" : result.error().message.c_str());
    return *result;
}

} // namespace

TEST_GROUP(expand){};

TEST(expand, the_parts_of_a_login_name_are_cut_at_the_first_at_sign)
{
    STRCMP_EQUAL("joe@a@b", expanded("%{user}", "joe@a@b").c_str());
    STRCMP_EQUAL("joe", expanded("%{username}", "joe@a@b").c_str());
    STRCMP_EQUAL("a@b", expanded("%{domain}", "joe@a@b").c_str());
}

TEST(expand, a_name_without_a_domain_is_all_username)
{
    STRCMP_EQUAL("joe", expanded("%{username}", "joe").c_str());
    STRCMP_EQUAL("", expanded("%{domain}", "joe").c_str());
    STRCMP_EQUAL("", expanded("%{domain}", "joe@").c_str());
    STRCMP_EQUAL("", expanded("%{username}", "@a").c_str());
}

TEST(expand, the_service_is_as_dovecot_calls_it)
{
    STRCMP_EQUAL("sieve", expanded("%{service}", "joe", Service::sieve).c_str());
}

TEST(expand, text_around_stays_and_a_doubled_percent_sign_is_one)
{
    STRCMP_EQUAL("a-joe-100%-{user}", expanded("a-%{username}-100%%-{user}", "joe@b").c_str());
    STRCMP_EQUAL("%{user}", expanded("%%{user}", "joe").c_str());
}

TEST(expand, what_the_client_chose_is_never_expanded)
{
    STRCMP_EQUAL("%{domain}@%%", expanded("%{user}", "%{domain}@%%").c_str());
}

TEST(expand, an_unknown_variable_is_an_error)
{
    for (const char *value : {"%u", "%{home}", "%{user", "%", "a%"})
        CHECK(!expand(value, {"joe", Service::imap}).ok());
}

TEST(expand, the_result_is_checked_again)
{
    const std::string long_name(max_value_bytes, 'x');
    LONGS_EQUAL(max_value_bytes, expanded("%{user}", long_name).size());
    CHECK(!expand("%{user}x", {long_name, Service::imap}).ok());
    CHECK(!expand("%{user}%{user}%{user}", {long_name, Service::imap}).ok());
    CHECK(!expand("%{user}", {"joe\nLOGIN x y", Service::imap}).ok());
    CHECK(!expand("%{user}", {std::string_view("a\0b", 3), Service::imap}).ok());
}
