// Records built of their parts.
#include "core/record_build.h"

#include <string>

#include <CppUTest/TestHarness.h>

using namespace proxymap;

namespace {

std::string build(Kind kind, const std::string &name, std::vector<Field_text> fields)
{
    const auto record = build_record(kind, name, std::move(fields), Key_case::lower);
    return record ? format_record(*record) : "error: " + record.error().message;
}

} // namespace

TEST_GROUP(record_build){};

TEST(record_build, a_record_is_folded_and_in_canonical_form)
{
    STRCMP_EQUAL("user joe backend=b1 proxy_timeout=86400 forward_team.imap=\"a b\"",
                 build(Kind::user, "Joe",
                       {{"backend", "B1"}, {"proxy_timeout", "1d"}, {"forward_team.imap", "a b"}})
                     .c_str());
}

TEST(record_build, what_no_routes_file_may_hold_cannot_be_built)
{
    const std::vector<Field_text> host = {{"host", "b1"}};
    CHECK(build(Kind::user, "", host).starts_with("error: "));
    CHECK(build(Kind::user, "a\nb", host).starts_with("error: "));
    CHECK(build(Kind::user, "*", host).starts_with("error: "));
    CHECK(build(Kind::default_route, "x", host).starts_with("error: "));
    CHECK(build(Kind::user, "joe", {}).starts_with("error: "));
    CHECK(build(Kind::user, "joe", {{"proxy", "y"}}).starts_with("error: "));
    CHECK(build(Kind::user, "joe", {{"host=x backend", "y"}}).starts_with("error: "));
    CHECK(build(Kind::user, "joe", {{"host", "a\tb"}}).starts_with("error: "));
    CHECK(build(Kind::user, "joe", {{"host", "b1"}, {"host", "b2"}}).starts_with("error: "));
    CHECK(build(Kind::user, "joe", {{"host", "b1"}, {"state", "drain"}}).starts_with("error: "));
    CHECK(build(Kind::user, "joe", {{"pos", "0000000000000001.1.1"}}).starts_with("error: "));
    std::vector<Field_text> much;
    for (int i = 0; i < 9; i++) {
        much.push_back({"event_" + std::to_string(i), std::string(500, 'x')});
    }
    STRCMP_CONTAINS("at most 4096 are allowed", build(Kind::user, "joe", much).c_str());
}

TEST(record_build, set_replaces_the_field_of_just_that_name)
{
    Record record{Kind::user, "joe", {}, {}};
    CHECK(set_field(record, "host", "b1").ok());
    CHECK(set_field(record, "host.imap", "b2").ok());
    CHECK(set_field(record, "forward_a", "1").ok());
    CHECK(set_field(record, "host", "b3").ok());
    CHECK(set_field(record, "forward_b", "2").ok());
    CHECK(!set_field(record, "host", "").ok());
    STRCMP_EQUAL("user joe host=b3 host.imap=b2 forward_a=1 forward_b=2",
                 format_record(record).c_str());
    CHECK(check_record(record).ok());
}

TEST(record_build, the_order_of_fields_means_nothing)
{
    const auto record = [](const char *line) { return *parse_record(line, Key_case::keep); };
    CHECK(same_fields(record("user a host=b1 port=1"), record("user b port=1 host=b1")));
    CHECK(!same_fields(record("user a host=b1 port=1"), record("user a port=2 host=b1")));
    CHECK(!same_fields(record("user a host=b1 port=1"), record("user a host=b1")));
}
