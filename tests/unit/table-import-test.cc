// src/doveadm-proxymap/table_import.cc: what a routes file changes in the table.
#include "doveadm-proxymap/table_import.h"

#include "fake_table.h"

#include <CppUTest/TestHarness.h>

using namespace proxymap;

namespace {

Record_field field(Field_id id, const std::string &value)
{
    return {id, Service::any, "", value};
}

} // namespace

TEST_GROUP(table_import)
{
    Fake_table table;
    std::set<Field_id> allowed;
    Table_import import{table, allowed};
    const Record at_b1 = user_record("john", {field(Field_id::backend, "b1")});
    const Record at_b2 = user_record("john", {field(Field_id::backend, "b2")});

    void take(Record record)
    {
        import.take(std::move(record));
    }
};

TEST(table_import, a_record_that_was_not_there_is_added)
{
    take(at_b1);
    CHECK_EQUAL(1U, import.added);
    CHECK_EQUAL(1U, import.keys.size());
    CHECK_TRUE(import.keys[0] == (Key{Kind::user, "john"}));
    CHECK_TRUE(table.records.at({Kind::user, "john"}).fields == at_b1.fields);
}

TEST(table_import, a_record_with_other_fields_is_changed)
{
    table.records[{Kind::user, "john"}] = at_b2;
    take(at_b1);
    CHECK_EQUAL(1U, import.changed);
    CHECK_EQUAL(1U, import.keys.size());
    CHECK_TRUE(table.records.at({Kind::user, "john"}).fields == at_b1.fields);
}

TEST(table_import, a_record_that_is_there_already_is_not_written_again)
{
    table.records[{Kind::user, "john"}] = at_b1;
    take(at_b1);
    CHECK_EQUAL(1U, import.unchanged);
    CHECK_EQUAL(0U, import.keys.size());
    CHECK_EQUAL(0U, table.puts);
}

TEST(table_import, a_field_that_allow_fields_does_not_name_is_refused)
{
    take(user_record("john", {field(Field_id::pass, "secret")}));
    CHECK_EQUAL(1U, import.refused);
    CHECK_EQUAL(0U, table.puts);
    STRCMP_CONTAINS("user john holds the field pass", import.refusals.at(0).c_str());
    CHECK_TRUE(import.refusals.at(0).find("secret") == std::string::npos);
}

TEST(table_import, a_field_that_allow_fields_names_is_taken)
{
    allowed = {Field_id::pass};
    take(user_record("john", {field(Field_id::pass, "secret")}));
    CHECK_EQUAL(0U, import.refused);
    CHECK_EQUAL(1U, table.puts);
}

TEST(table_import, of_many_refusals_all_are_counted_and_twenty_kept)
{
    for (int i = 0; i < 30; ++i)
        take(user_record("u" + std::to_string(i), {field(Field_id::pass, "x")}));
    CHECK_EQUAL(30U, import.refused);
    CHECK_EQUAL(20U, import.refusals.size());
}

TEST(table_import, a_table_that_fails_is_an_error_and_no_unknown_backend)
{
    table.broken = true;
    CHECK_TRUE(import.knows_backend("b1"));
    CHECK_TRUE(import.error().has_value());
}

TEST(table_import, after_the_table_has_failed_nothing_is_written)
{
    table.broken = true;
    take(at_b1);
    table.broken = false;
    take(at_b1);
    CHECK_TRUE(import.error().has_value());
    CHECK_EQUAL(0U, table.puts);
}
