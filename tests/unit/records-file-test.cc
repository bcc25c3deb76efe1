// Reading files of records: all or nothing, errors with their lines. Mostly routes files; what is
// particular to the other formats is in record-reader-test.cc.
#include "core/records_file.h"

#include <sstream>
#include <string>
#include <vector>

#include <CppUTest/TestHarness.h>

using namespace proxymap;

namespace {

struct Outcome_of_reading {
    std::uint64_t count = 0;
    std::vector<std::string> records;
    File_errors errors;
    std::string messages; // "line: message\n" each
};

Outcome_of_reading read(const std::string &text, Key_case key_case = Key_case::lower,
                        File_format format = File_format::routes)
{
    Outcome_of_reading out;
    std::istringstream stream(text);
    Text_input in(stream);
    Record_sorter sorted(200);
    const auto count = read_records(
        in, format, key_case, [](const std::string &backend) { return backend == "known"; },
        [&](const Record &record) -> Result<Done> {
            if (record.find(Field_id::pass, Service::any) != nullptr) {
                return Error{"no pass here"};
            }
            out.records.push_back(format_record(record));
            return Done{};
        },
        sorted, &out.errors);
    CHECK(count.ok());
    out.count = *count;
    for (const auto &error : out.errors.first) {
        out.messages += std::to_string(error.line) + ": " + error.message + "\n";
    }
    return out;
}

bool says(const std::string &message, std::string_view part)
{
    return message.find(part) != std::string::npos;
}

} // namespace

TEST_GROUP(records_file){};

TEST(records_file, every_record_is_handed_on_in_order)
{
    const auto out = read("backend b1 host=b1\nuser joe backend=b1\ndefault * backend=b1\n");
    LONGS_EQUAL(0, out.errors.count);
    LONGS_EQUAL(3, out.count);
    LONGS_EQUAL(3, out.records.size());
    STRCMP_EQUAL("user joe backend=b1", out.records[1].c_str());
}

TEST(records_file, comments_and_blank_lines_are_skipped)
{
    const auto out = read("# a comment\n\n  \t \n\t# user x y\nuser joe host=b1\n");
    STRCMP_EQUAL("", out.messages.c_str());
    LONGS_EQUAL(1, out.count);
}

TEST(records_file, an_empty_file_has_no_record)
{
    LONGS_EQUAL(0, read("").count);
    LONGS_EQUAL(0, read("").errors.count);
}

TEST(records_file, lines_may_end_in_cr_lf_and_the_last_one_in_nothing)
{
    const auto out = read("user joe host=b1\r\n\r\n# x\r\nuser john host=b1");
    STRCMP_EQUAL("", out.messages.c_str());
    LONGS_EQUAL(2, out.count);
}

TEST(records_file, a_cr_within_a_line_is_an_error)
{
    STRCMP_EQUAL("1: byte 4 is a control character; only blanks and tabs are allowed\n",
                 read("use\r joe host=b1\n").messages.c_str());
    LONGS_EQUAL(1, read("user joe host=b1\r\r\n").errors.count);
}

TEST(records_file, a_nul_or_control_character_is_an_error_in_a_comment_too)
{
    LONGS_EQUAL(1, read(std::string("user joe\0 host=b1\n", 18)).errors.count);
    LONGS_EQUAL(1, read("# \x1b[2J\n").errors.count);
    LONGS_EQUAL(1, read("\x0c\n").errors.count);
    LONGS_EQUAL(1, read(std::string(1, '\0')).errors.count);
}

TEST(records_file, errors_carry_the_number_of_their_line)
{
    const auto out = read("user joe host=b1\n\n# x\nuser john hots=b1\nuser jane port=0 host=b1\n");
    LONGS_EQUAL(2, out.errors.count);
    LONGS_EQUAL(4, out.errors.first[0].line);
    CHECK(says(out.errors.first[0].message, "\"hots\""));
    LONGS_EQUAL(5, out.errors.first[1].line);
}

TEST(records_file, a_line_that_is_too_long_is_one_error_and_the_next_line_is_read)
{
    for (const std::size_t length : {4097U, 4098U, 4099U, 65535U, 65536U, 65537U, 300'000U}) {
        const auto out = read(std::string(length, 'x') + "\nuser joe host=b1\n");
        LONGS_EQUAL(1, out.errors.count);
        CHECK(says(out.messages, "1: the line has more than 4096 bytes"));
        LONGS_EQUAL(1, out.count);
    }
    CHECK(says(read("#" + std::string(4096, 'x')).messages, "more than 4096"));
}

TEST(records_file, a_line_of_just_4096_bytes_is_read_whatever_its_end)
{
    const std::string line = "#" + std::string(4095, 'x');
    for (const char *end : {"", "\n", "\r\n", "\r"}) {
        LONGS_EQUAL(0, read(line + end).errors.count);
    }
}

TEST(records_file, lines_are_whole_across_the_readers_buffer)
{
    std::string text;
    int count = 0;
    while (text.size() < 300'000) {
        text += "user u" + std::to_string(count++) + " host=b1\n";
    }
    const auto out = read(text);
    STRCMP_EQUAL("", out.messages.c_str());
    LONGS_EQUAL(count, out.count);
}

TEST(records_file, a_second_record_of_one_name_is_an_error_that_names_both_lines)
{
    const auto out = read("user joe host=b1\nuser x host=b1\nuser joe host=b2\n");
    LONGS_EQUAL(1, out.errors.count);
    LONGS_EQUAL(3, out.errors.first[0].line);
    CHECK(says(out.messages, "user \"joe\" stands on line 1 already"));
}

TEST(records_file, a_second_record_far_behind_the_first_is_found)
{
    std::string text;
    for (int i = 0; i < 1000; i++) {
        text += "user u" + std::to_string(i * 7919 % 1000) + " host=b1\n";
    }
    const auto out = read(text + "user u0 host=b1\n");
    STRCMP_EQUAL(
        "1001: user \"u0\" stands on line 1 already; names that differ only by case are the "
        "same\n",
        out.messages.c_str());
}

TEST(records_file, what_the_caller_refuses_is_an_error_of_that_line)
{
    const auto out = read("user x host=b1\nuser joe host=b1 pass=secret\n");
    STRCMP_EQUAL("2: no pass here\n", out.messages.c_str());
    LONGS_EQUAL(1, out.count);
}

TEST(records_file, rows_of_a_table_may_name_each_other_too)
{
    const auto out = read("kind,name,host,backend\nuser,joe,,b1\nuser,Joe,,b9\nbackend,b1,x,\n",
                          Key_case::lower, File_format::csv);
    CHECK(says(out.messages, "3: backend \"b9\" is neither"));
    CHECK(says(out.messages, "3: user \"joe\" stands on line 2 already"));
}

TEST(records_file, names_that_differ_by_case_collide_when_they_are_folded)
{
    const auto out = read("user joe host=b1\nuser Joe host=b2\n");
    LONGS_EQUAL(1, out.errors.count);
    CHECK(says(out.messages, "2: user \"joe\" stands on line 1 already; names that differ only"));
    LONGS_EQUAL(0, read("user joe host=b1\nuser Joe host=b2\n", Key_case::keep).errors.count);
}

TEST(records_file, one_name_may_stand_once_in_each_kind)
{
    LONGS_EQUAL(0, read("user b1 host=b1\ndomain b1 host=b1\nbackend b1 host=b1\n").errors.count);
}

TEST(records_file, a_backend_may_stand_after_its_first_use_or_be_known_already)
{
    LONGS_EQUAL(0, read("user joe backend=B1\nbackend b1 host=b1 failover=known\n").errors.count);
}

TEST(records_file, a_backend_that_is_nowhere_is_an_error_at_its_first_use)
{
    const auto out = read("user x host=b1\nuser joe backend=b9\nuser john backend.imap=b9\n"
                          "backend b1 host=b1 failover=b8\n");
    LONGS_EQUAL(2, out.errors.count);
    LONGS_EQUAL(2, out.errors.first[0].line);
    CHECK(says(out.errors.first[0].message, "backend \"b9\" is neither in this file"));
    LONGS_EQUAL(4, out.errors.first[1].line);
}

TEST(records_file, the_first_20_are_those_of_the_lowest_lines)
{
    std::string text = "user joe backend=b9\n"; // found last
    for (int i = 0; i < 100; i++) {
        text += "nonsense\n";
    }
    const auto out = read(text);
    LONGS_EQUAL(101, out.errors.count);
    LONGS_EQUAL(20, out.errors.first.size());
    LONGS_EQUAL(1, out.errors.first.front().line);
    LONGS_EQUAL(20, out.errors.first.back().line);
}

TEST(records_file, errors_are_told_in_the_order_of_lines)
{
    const auto out = read("user joe backend=b9\nuser john\n");
    LONGS_EQUAL(1, out.errors.first[0].line);
    LONGS_EQUAL(2, out.errors.first[1].line);
}

TEST(records_file, all_errors_are_counted_and_the_first_20_are_kept)
{
    std::string text;
    for (int i = 0; i < 100; i++) {
        text += "nonsense\n";
    }
    const auto out = read(text);
    LONGS_EQUAL(100, out.errors.count);
    LONGS_EQUAL(20, out.errors.first.size());
    LONGS_EQUAL(20, out.errors.first.back().line);
}

TEST(records_file, a_stream_that_breaks_is_an_error)
{
    struct Broken : std::streambuf {
        int_type underflow() override { throw 1; }
    } buffer;
    std::istream stream(&buffer);
    Text_input in(stream);
    Record_sorter sorted;
    File_errors errors;
    const auto count = read_records(
        in, File_format::routes, Key_case::lower, nullptr,
        [](const Record &) -> Result<Done> { return Done{}; }, sorted, &errors);
    CHECK(count.ok());
    CHECK(in.failed());
    LONGS_EQUAL(1, errors.count);
    CHECK(says(errors.first[0].message, "reading failed"));
}
