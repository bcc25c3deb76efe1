// src/doveadm-proxymap/move_records.cc: what a move makes of a record.
#include "doveadm-proxymap/move_records.h"

#include "fake_table.h"

#include <CppUTest/TestHarness.h>

using namespace proxymap;

namespace {

Record record(const std::string &line)
{
    const auto parsed = parse_record(line, Key_case::lower);
    CHECK_TEXT(parsed.ok(), parsed.ok() ? "" : parsed.error().message.c_str());
    return *parsed;
}

std::string moved(const std::string &line, const std::string &from = "")
{
    const auto result = move_to(record(line), from, "b2");
    return result ? format_record(*result) : "error: " + result.error().message;
}

} // namespace

TEST_GROUP(move_records){};

TEST(move_records, one_that_is_named_is_on_the_new_backend_for_every_service)
{
    STRCMP_EQUAL("user john backend=b2 destuser=x",
                 moved("user john destuser=x backend=b1").c_str());
    STRCMP_EQUAL("user john backend=b2", moved("user john backend=b1 backend.imap=b3").c_str());
    STRCMP_EQUAL("user john backend=b2 port=1", moved("user john port=1").c_str());
}

TEST(move_records, one_of_a_backend_moves_for_the_services_that_are_there)
{
    STRCMP_EQUAL("user john backend=b3 backend.imap=b2 destuser=x",
                 moved("user john backend=b3 backend.imap=b1 destuser=x", "b1").c_str());
}

TEST(move_records, a_host_of_its_own_cannot_be_moved_by_a_backend)
{
    CHECK(moved("user john host=10.0.0.1").starts_with("error: the record names a host"));
    CHECK(moved("user john host.imap=10.0.0.1 backend=b1").starts_with("error: "));
}

TEST(move_records, hold_is_for_every_service_and_leaves_all_else)
{
    const Record held = put_on_hold(record("user john state.imap=up backend=b1 destuser=x"));
    STRCMP_EQUAL("user john backend=b1 destuser=x state=hold", format_record(held).c_str());
    CHECK(is_on_hold(held));
    STRCMP_EQUAL("user john backend=b1 destuser=x", format_record(take_off_hold(held)).c_str());
    STRCMP_EQUAL("user john backend=b2 destuser=x",
                 moved("user john backend=b1 destuser=x state=hold").c_str());
}

TEST(move_records, on_hold_for_one_service_is_not_on_hold)
{
    CHECK(!is_on_hold(record("user john backend=b1")));
    CHECK(!is_on_hold(record("user john backend=b1 state=up")));
    CHECK(!is_on_hold(record("user john backend=b1 state.imap=hold")));
    CHECK(!is_on_hold(record("user john backend=b1 state=hold state.imap=up")));
    CHECK(is_on_hold(record("user john backend=b1 state=hold state.imap=hold")));
}

TEST(move_records, a_record_is_on_a_backend_for_any_service_but_not_by_failover)
{
    CHECK(is_on(record("user john backend=b1"), "b1"));
    CHECK(is_on(record("user john backend=b2 backend.lmtp=b1"), "b1"));
    CHECK(!is_on(record("user john backend=b2"), "b1"));
    CHECK(!is_on(record("backend b2 host=x failover=b1"), "b1"));
}

TEST(move_records, who_has_none_inherits_what_decided_so_far)
{
    Fake_table table;
    CHECK(!inherit_record(table, "joe@a").value());
    CHECK(table.put(record("default * backend=b1")).ok());
    STRCMP_EQUAL("user joe@a backend=b1",
                 format_record(inherit_record(table, "joe@a").value()->record).c_str());
    CHECK(table.put(record("domain a backend=b3 destuser=%{username}")).ok());
    const auto inherited = inherit_record(table, "joe@a").value();
    STRCMP_EQUAL("user joe@a backend=b3 destuser=%{username}",
                 format_record(inherited->record).c_str());
    CHECK(inherited->kind == Kind::domain && inherited->name == "a");
    CHECK(inherit_record(table, "joe").value()->kind == Kind::default_route);
    table.broken = true;
    CHECK(!inherit_record(table, "joe").ok());
}

TEST(move_records, the_longest_time_to_connect_counts)
{
    CHECK(longest_proxy_timeout(record("user john backend=b1")) == 0);
    CHECK(longest_proxy_timeout(
              record("backend b1 host=x proxy_timeout=5 proxy_timeout.imap=2m")) == 120'000);
}
