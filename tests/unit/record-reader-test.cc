// Reading records in each format.
#include "core/record_reader.h"

#include <algorithm>
#include <sstream>
#include <string>

#include <CppUTest/TestHarness.h>

using namespace proxymap;

namespace {

// "line record" or "line! error" each.
std::string read(File_format format, const std::string &text)
{
    std::istringstream stream(text);
    Text_input in(stream);
    const auto reader = make_record_reader(format, in);
    std::string out;
    while (auto item = reader->next()) {
        out += std::to_string(item->line);
        out +=
            item->record ? " " + format_record(*item->record) : "! " + item->record.error().message;
        out += "\n";
    }
    return out;
}

std::string csv(const std::string &text)
{
    return read(File_format::csv, text);
}

std::string tsv(const std::string &text)
{
    return read(File_format::tsv, text);
}

std::string json(const std::string &text)
{
    return read(File_format::json, text);
}

bool says(const std::string &message, std::string_view part)
{
    return message.find(part) != std::string::npos;
}

File_format guess(const std::string &text)
{
    std::istringstream stream(text);
    Text_input in(stream);
    return guess_format(in);
}

} // namespace

TEST_GROUP(record_reader){};

TEST(record_reader, a_format_has_a_word)
{
    for (const auto format :
         {File_format::routes, File_format::csv, File_format::tsv, File_format::json}) {
        CHECK(parse_file_format(to_string(format)) == format);
    }
    CHECK(!parse_file_format("xml").has_value());
}

TEST(record_reader, the_first_line_tells_the_format)
{
    for (const char *text : {"user joe host=b1\n", "user\tjoe\thost=b1\n", "backend b1\n",
                             "# x,y\n", "", "\nuser,host\n"}) {
        CHECK_TEXT(guess(text) == File_format::routes, text);
    }
    for (const char *text : {"user,host\n", "\xef\xbb\xbfuser,host\r\n", "user\n", "user,a b\n"}) {
        CHECK_TEXT(guess(text) == File_format::csv, text);
    }
    CHECK(guess("user\thost\n") == File_format::tsv);
    CHECK(guess("{\"user\":\"a=b\"}\n") == File_format::json);
}

TEST(record_reader, the_header_names_key_and_fields)
{
    STRCMP_EQUAL("2 user joe host=b1 destuser=x\n", csv("user,host,destuser\njoe,b1,x\n").c_str());
    STRCMP_EQUAL("2 domain a.org host=b1\n", csv("host,domain\nb1,a.org\n").c_str());
    STRCMP_EQUAL("2 backend b1 host=b1\n3 default * backend=b1\n",
                 csv("kind,name,host,backend\nbackend,b1,b1,\ndefault,*,,b1\n").c_str());
    STRCMP_EQUAL("2 user joe backend.imap=b1 forward_team=x\n",
                 csv("user,backend.imap,forward_team\njoe,b1,x\n").c_str());
}

TEST(record_reader, beside_kind_and_name_user_is_a_field)
{
    STRCMP_EQUAL("2 user joe user=joseph\n", csv("kind,name,user\nuser,joe,joseph\n").c_str());
}

TEST(record_reader, a_header_that_cannot_be_is_the_only_error)
{
    for (const char *text : {"", "host\nb1\nb2\n", "user,hots\nx,y\n", "user,user\nx,y\n",
                             "user,domain\nx,y\n", "kind,host\nuser,x\n", "name,host\nx,y\n",
                             "user,proxy\nx,y\n", "user,\nx,y\n", "\"user\njoe\n"}) {
        const auto out = csv(text);
        CHECK_TEXT(out.starts_with("1! "), text);
        LONGS_EQUAL(1, std::count(out.begin(), out.end(), '\n'));
    }
}

TEST(record_reader, csv_cells_are_quoted_as_in_rfc_4180)
{
    STRCMP_EQUAL("2 user \"a,b \\\"c\\\"\" host=b1\n3 user joe host=b2\n",
                 csv("user,host\r\n\"a,b \"\"c\"\"\",\"b1\"\r\njoe,b2").c_str());
}

TEST(record_reader, an_empty_csv_cell_is_no_field)
{
    STRCMP_EQUAL("2 user joe host=b1\n3 user x host=b1\n",
                 csv("user,destuser,host\njoe,,b1\nx,\"\",b1\n").c_str());
}

TEST(record_reader, a_line_within_a_csv_cell_counts_but_is_no_value)
{
    const auto out = csv("user,destuser,host\njoe,\"a\nb\",b1\nx,,b1\n");
    CHECK(out.starts_with("2! field \"destuser\": the value holds a control character"));
    CHECK(out.ends_with("\n4 user x host=b1\n"));
}

TEST(record_reader, a_bad_csv_row_is_one_error_and_the_next_is_read)
{
    const auto out = csv("user,host\njo\"e,b1\n\"joe\"x,b1\nx\nx,y,z\na\rb,c\n\n,b1\njohn,b1\n");
    CHECK(says(out, "2! a quote inside a cell"));
    CHECK(says(out, "3! after a cell comes a comma or the end of the line"));
    CHECK(says(out, "4! the row has 1 cells, the header 2"));
    CHECK(says(out, "5! the row has 3 cells, the header 2"));
    CHECK(says(out, "6! "));
    CHECK(says(out, "8! the column user is empty"));
    CHECK(out.ends_with("9 user john host=b1\n"));
}

TEST(record_reader, behind_a_quote_that_is_never_closed_nothing_is_believed)
{
    const auto out = csv("user,host\n\"joe,b1\njohn,b1\n");
    CHECK(says(out, "2! a quoted cell has no closing quote"));
    CHECK(!says(out, "john"));
    LONGS_EQUAL(1, std::count(out.begin(), out.end(), '\n'));
    CHECK(says(csv("user,host\n\"" + std::string(100'000, 'x')), "no closing quote within 65536"));
}

TEST(record_reader, a_csv_row_that_is_too_long_is_one_error)
{
    const auto out = csv("user,host\n" + std::string(100'000, 'x') + ",y\njoe,b1\n");
    CHECK(says(out, "2! the row has more than 65536 bytes"));
    CHECK(out.ends_with("3 user joe host=b1\n"));
}

TEST(record_reader, tsv_is_read_as_mysql_writes_it)
{
    STRCMP_EQUAL(
        "2 user john host=b1\n3 user joe destuser=\"a b\" host=b1\n4 user a\\b host=b1\n",
        tsv("user\tdestuser\thost\njohn\tNULL\tb1\njoe\ta b\tb1\na\\\\b\t\\N\tb1\n").c_str());
    CHECK(says(tsv("user\thost\njo\\te\tb1\n"), "2! a name has 1 to 512 bytes and no control"));
    CHECK(says(tsv("user\thost\njo\\xe\tb1\n"), "2! after a backslash comes"));
    CHECK(says(tsv("user\thost\njoe\\\tb1\n"), "2! after a backslash comes"));
    CHECK(says(tsv("user\thost\nNULL\tb1\n"), "2! the column user is empty"));
    CHECK(says(tsv("user\thost\njoe\n"), "2! the row has 1 cells"));
}

TEST(record_reader, json_is_read_in_both_forms)
{
    STRCMP_EQUAL(
        "1 user joe host=b1 event_x=\"\"\n3 default * backend=b1\n4 user john host=b1 port=143\n",
        json("{\"kind\":\"user\",\"name\":\"joe\",\"fields\":{\"host\":\"b1\",\"event_x\":\"\"}}\n"
             "\n"
             "{\"kind\":\"default\",\"fields\":{\"backend\":\"b1\"}}\r\n"
             "{\"user\":\"john\",\"host\":\"b1\",\"port\":143,\"destuser\":\"\",\"tls\":null}")
            .c_str());
}

TEST(record_reader, a_json_line_that_is_no_record_is_an_error)
{
    CHECK(says(json("{\"fields\":{}}"), "1! a kind is user, domain, default or backend"));
    CHECK(says(json("{\"user\":\"x\",\"fields\":{}}"), "1! member \"user\" is not allowed here"));
    CHECK(says(json("{\"user\":\"x\",\"host\":{}}"), "1! member \"host\" is an object"));
    CHECK(says(json("{\"kind\":{},\"name\":\"x\",\"fields\":{}}"), "1! member \"kind\""));
    CHECK(says(json("{\"user\":\"x\",\"host\":\"a\\u0000b\"}"),
               "1! field \"host\": the value holds"));
    CHECK(says(json("[]\n{\"user\":\"x\",\"host\":\"b1\"}"), "2 user x host=b1"));
    CHECK(says(json(std::string(70'000, ' ') + "\n"), "1! the line has more than 65536 bytes"));
}
