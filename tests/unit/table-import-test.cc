// src/doveadm-proxymap/table_import.cc: what a file changes in the table.
#include "doveadm-proxymap/table_import.h"

#include "fake_table.h"
#include "table_folder.h"

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

    void take(const Record &record)
    {
        Record_sorter records;
        CHECK_TRUE(import.check(record).ok());
        CHECK_TRUE(records.add(record, 1).ok());
        import.write(records, []{});
    }
};

TEST(table_import, a_record_that_was_not_there_is_added)
{
    take(at_b1);
    CHECK_EQUAL(1U, import.added);
    CHECK_TRUE(import.changes_anything());
    CHECK_TRUE(table.records.at({Kind::user, "john"}).fields == at_b1.fields);
}

TEST(table_import, a_record_with_other_fields_is_changed)
{
    table.records[{Kind::user, "john"}] = at_b2;
    take(at_b1);
    CHECK_EQUAL(1U, import.changed);
    CHECK_TRUE(import.changes_anything());
    CHECK_TRUE(table.records.at({Kind::user, "john"}).fields == at_b1.fields);
}

TEST(table_import, a_record_that_is_there_already_is_not_written_again)
{
    table.records[{Kind::user, "john"}] = at_b1;
    take(at_b1);
    CHECK_EQUAL(1U, import.unchanged);
    CHECK_TRUE(!import.changes_anything());
    CHECK_EQUAL(0U, table.puts);
}

TEST(table_import, the_order_of_fields_changes_nothing)
{
    Record record = at_b1;
    record.fields.push_back(field(Field_id::destuser, "x"));
    table.records[{Kind::user, "john"}] = record;
    std::swap(record.fields[0], record.fields[1]);
    take(record);
    CHECK_EQUAL(1U, import.unchanged);
}

TEST(table_import, a_field_that_allow_fields_does_not_name_is_refused)
{
    const Result<Done> refused =
        import.check(user_record("john", {field(Field_id::pass, "secret")}));
    CHECK_FALSE(refused.ok());
    CHECK_EQUAL(0U, table.puts);
    STRCMP_CONTAINS("user john holds the field pass", refused.error().message.c_str());
    CHECK_TRUE(refused.error().message.find("secret") == std::string::npos);
}

TEST(table_import, a_field_that_allow_fields_names_is_taken)
{
    allowed = {Field_id::pass};
    take(user_record("john", {field(Field_id::pass, "secret")}));
    CHECK_EQUAL(1U, table.puts);
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

TEST(table_import, what_the_file_does_not_hold_is_deleted)
{
    const Table_folder folder;
    const auto opened =
        Table::open({folder.path(), Key_case::lower, 1U << 30U}, Table::Mode::write);
    Table &real = **opened;
    CHECK_TRUE(real.begin().ok());
    Record_sorter records;
    std::uint64_t kept = 0;
    for (std::uint64_t i = 0; i < 2000; i++) {
        // Also names whose keys are escaped, and hashed.
        const std::string name = std::to_string(i * 7919 % 2000) + (i % 3 == 0 ? " x" : "") +
                                 (i % 5 == 0 ? std::string(300, 'y') : "");
        CHECK_TRUE(real.put(user_record(name, at_b1.fields)).ok());
        if (i % 7 != 0) {
            CHECK_TRUE(records.add(user_record(name), i + 1).ok());
            ++kept;
        }
    }
    CHECK_TRUE(real.put({Kind::backend, "b1", {}, {}}).ok());
    CHECK_TRUE(records.add(user_record("not in the table"), 1).ok());
    CHECK_TRUE(real.commit().ok());

    CHECK_TRUE(real.begin().ok());
    Table_import replace(real, allowed);
    replace.remove_others(records);
    CHECK_TRUE(!replace.error());
    CHECK_TRUE(real.commit().ok());
    CHECK_EQUAL(2001 - kept, replace.deleted);
    std::uint64_t left = 0;
    CHECK_TRUE(real.for_each([&left](const Record &record) {
                       ++left;
                       CHECK_TRUE(record.kind == Kind::user);
                       return true;
                   })
                   .ok());
    CHECK_EQUAL(kept, left);
}

TEST(table_import, a_table_in_another_order_loses_nothing)
{
    table.records[{Kind::user, "john"}] = at_b1;
    table.records[{Kind::backend, "b1"}] = {Kind::backend, "b1", {}, {}}; // a map has it behind
    Record_sorter records;
    import.remove_others(records);
    CHECK_TRUE(import.error().has_value());
}
