// Writing records so that they are read back to the same.
#include "core/record_writer.h"

#include "core/record_build.h"

#include <sstream>
#include <string>
#include <vector>

#include <CppUTest/TestHarness.h>

using namespace proxymap;

namespace {

const std::vector<std::string> lines = {
    "backend b1 host=127.0.0.1 tls.imap=ssl",
    "user \"a, \\\"b\\\" \\\\ c\" backend=b1 destuser=\"x y\"",
    "user joe host=b1 forward_a=\\ forward_b=,",
    "domain a.org backend=b1",
    "default * backend=b1",
};

Record record_of(const std::string &line)
{
    auto record = parse_record(line, Key_case::keep);
    CHECK(record.ok());
    return *record;
}

std::string write(File_format format, const std::vector<std::string> &texts)
{
    Record_writer writer(format);
    for (const auto &text : texts) {
        const auto fits = writer.prepare(record_of(text));
        if (!fits) {
            return "error: " + fits.error().message;
        }
    }
    std::string out = writer.header();
    for (const auto &text : texts) {
        out += *writer.line(record_of(text));
    }
    return out;
}

} // namespace

TEST_GROUP(record_writer){};

TEST(record_writer, what_is_written_is_read_back)
{
    for (const auto format :
         {File_format::routes, File_format::csv, File_format::tsv, File_format::json}) {
        std::istringstream stream(write(format, lines));
        Text_input in(stream);
        CHECK(guess_format(in) == format);
        const auto reader = make_record_reader(format, in);
        for (const auto &line : lines) {
            const auto item = reader->next();
            CHECK(item && item->record);
            const auto wanted = record_of(line);
            CHECK(item->record->kind == wanted.kind && item->record->name == wanted.name);
            CHECK(same_fields(*item->record, wanted));
        }
        CHECK(!reader->next());
    }
}

TEST(record_writer, a_table_has_a_column_for_each_field_in_use)
{
    STRCMP_EQUAL("kind,name,backend,host,tls.imap,forward_a,forward_b\n"
                 "backend,b1,,127.0.0.1,ssl,,\nuser,joe,,b1,,\\,\",\"\n"
                 "domain,a.org,b1,,,,\n",
                 write(File_format::csv, {lines[0], lines[2], lines[3]}).c_str());
}

TEST(record_writer, what_a_format_cannot_say_is_an_error)
{
    const std::string empty = "user joe host=b1 event_x=\"\"";
    STRCMP_EQUAL("error: user \"joe\": its field event_x is empty, which csv cannot say; export it "
                 "as routes",
                 write(File_format::csv, {empty}).c_str());
    CHECK(write(File_format::tsv, {empty}).starts_with("error: "));
    CHECK(write(File_format::tsv, {"user NULL host=b1"}).starts_with("error: "));
    CHECK(write(File_format::tsv, {"user joe host=NULL"}).starts_with("error: "));
    CHECK(write(File_format::json, {"user j\xff host=b1"}).starts_with("error: "));
    CHECK(write(File_format::json, {"user joe host=b1 event_x=\xff"}).starts_with("error: "));
    CHECK(write(File_format::json, {empty}).starts_with("{\"kind\":\"user\",\"name\":\"joe\","));
}

TEST(record_writer, a_field_that_was_not_announced_is_an_error)
{
    Record_writer writer(File_format::csv);
    CHECK(writer.prepare(record_of(lines[3])).ok());
    CHECK(!writer.line(record_of(lines[2])).ok());
    CHECK(writer.line(record_of(lines[4])).ok());
}
