// JSON as far as a record needs it.
#include "core/json_object.h"

#include <CppUTest/TestHarness.h>

using namespace proxymap;

namespace {

// "name=text;" of each member, "name=null;", "name={...};"
std::string show(const std::vector<Json_member> &members)
{
    std::string out;
    for (const auto &member : members) {
        out += member.name + "=";
        out += member.is_object ? "{" + show(member.members) + "}" : member.text.value_or("null");
        out += ";";
    }
    return out;
}

std::string read(std::string_view text)
{
    const auto members = parse_json_object(text);
    return members ? show(*members) : "error: " + members.error().message;
}

bool is_error(std::string_view text)
{
    return !parse_json_object(text).ok();
}

} // namespace

TEST_GROUP(json_object){};

TEST(json_object, members_are_strings_integers_null_and_objects)
{
    STRCMP_EQUAL("a=x;b=143;c=-1;d=null;e={f=g;};",
                 read(R"({"a":"x","b":143,"c":-1,"d":null,"e":{"f":"g"}})").c_str());
    STRCMP_EQUAL("", read("{}").c_str());
    STRCMP_EQUAL("a={};", read(" { \"a\" : { } } ").c_str());
}

TEST(json_object, escapes_are_read)
{
    STRCMP_EQUAL("a=\"\\/\n\xc3\xa9\xf0\x9f\x98\x80;",
                 read(R"({"a":"\"\\\/\n\u00e9\uD83D\ude00"})").c_str());
}

TEST(json_object, what_is_no_json_is_an_error)
{
    for (const char *text : {"",
                             "{",
                             "}",
                             "[]",
                             "\"a\"",
                             "{\"a\"}",
                             "{\"a\":}",
                             "{\"a\":\"x\",}",
                             "{\"a\":\"x\"",
                             "{\"a\":\"x\" \"b\":\"y\"}",
                             "{a:\"x\"}",
                             "{'a':'x'}",
                             "{\"a\":\"x}",
                             "{\"a\":\"\\x\"}",
                             "{\"a\":\"\\u12\"}",
                             "{\"a\":\"\\u12g4\"}",
                             "{\"a\":01}",
                             "{\"a\":-}",
                             "{\"a\":1.5}",
                             "{\"a\":1e3}",
                             "{\"a\":\"x\"}}",
                             "{\"a\":\"x\"} {}",
                             "{\"a\":nul}",
                             "{\"a\":\"x\ty\"}"}) {
        CHECK_TEXT(is_error(text), text);
    }
}

TEST(json_object, what_a_record_never_holds_is_an_error)
{
    CHECK(is_error(R"({"a":true})"));
    CHECK(is_error(R"({"a":[]})"));
    CHECK(is_error(R"({"a":{"b":{}}})"));
    CHECK(is_error(R"({"a":"x","a":"y"})"));
}

TEST(json_object, what_is_no_utf_8_is_an_error)
{
    for (const char *bytes : {"\x80", "\xc3", "\xc0\xaf", "\xe0\x80\xaf", "\xed\xa0\x80",
                              "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xff"}) {
        CHECK(is_error(std::string("{\"a\":\"") + bytes + "\"}"));
        CHECK(!is_utf8(bytes));
    }
    CHECK(is_error(R"({"a":"\ud83d"})"));
    CHECK(is_error(R"({"a":"\ude00\ud83d"})"));
    CHECK(is_utf8("a\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80"));
}

TEST(json_object, an_error_names_the_byte)
{
    STRCMP_EQUAL(
        "error: byte 6: expected the value of \"a\": a string, an integer or null (yes and "
        "no are strings)",
        read(R"({"a":true})").c_str());
}

TEST(json_object, what_is_written_is_read_back)
{
    std::string out = "{\"a\":";
    append_json_string(out, "\"\\\x01\x7f/\xc3\xa9");
    STRCMP_EQUAL("a=\"\\\x01\x7f/\xc3\xa9;", read(out + "}").c_str());
}
