// What a proxy says of itself in the mirrors: one text, its own, and sealed where there are keys.
#include "core/proxy_report.h"

#include <string>

#include <CppUTest/TestHarness.h>

using namespace proxymap;

namespace {

const Proxy_report report{"p1.example.com", 4711, {0xab, 1, 42}, 1785000000};
constexpr const char *text =
    "v1 host=p1.example.com pid=4711 pos=00000000000000ab.1.42 at=1785000000";

Seal_keys keys(const std::string &key = std::string(32, 'k'))
{
    return {"k1", {{"k1", key}}};
}

std::string written(const Proxy_report &what, const Seal_keys &seal_keys = {})
{
    const auto value = format_proxy_report(what, "pm", "p1", seal_keys);
    CHECK_TEXT(value.ok(), value.ok() ? "" : value.error().message.c_str());
    return *value;
}

bool is_believed(const std::string &value, const Seal_keys &seal_keys = {}, const char *name = "p1",
                 const char *name_space = "pm")
{
    const auto read = parse_proxy_report(value, name_space, name, seal_keys);
    return read.ok() && *read == report;
}

} // namespace

TEST_GROUP(proxy_report){};

TEST(proxy_report, is_one_line_that_is_read_back)
{
    STRCMP_EQUAL(text, written(report).c_str());
    CHECK(is_believed(text));
}

TEST(proxy_report, stands_under_a_key_that_no_record_has)
{
    STRCMP_EQUAL("pm:proxy:p1.example.com", proxy_report_key("pm", "p1.example.com").c_str());
    STRCMP_EQUAL("pm:proxy:a%3Ab", proxy_report_key("pm", "a:b").c_str());
}

TEST(proxy_report, names_the_proxy_as_the_setting_says_or_else_as_the_host_is_called)
{
    Settings settings;
    CHECK(!own_proxy_name(settings).empty());
    settings.proxy_name = "p1";
    STRCMP_EQUAL("p1", own_proxy_name(settings).c_str());
}

TEST(proxy_report, anything_else_is_refused)
{
    for (const char *value :
         {"", "v1", "v1 host=p1", "v2 host=p1 pid=1 pos=00000000000000ab.1.42 at=1",
          "v1 host= pid=1 pos=00000000000000ab.1.42 at=1",
          "v1 host=a/b pid=1 pos=00000000000000ab.1.42 at=1",
          "v1 host=p1 pid=0 pos=00000000000000ab.1.42 at=1",
          "v1 host=p1 pid=01 pos=00000000000000ab.1.42 at=1",
          "v1 host=p1 pid=-1 pos=00000000000000ab.1.42 at=1",
          "v1 host=p1 pid=1 pos=0000000000000000.1.42 at=1", "v1 host=p1 pid=1 pos=42 at=1",
          "v1 host=p1 pid=1 pos=00000000000000ab.1.42",
          "v1 host=p1 pid=1 pos=00000000000000ab.1.42 at=",
          "v1 host=p1 pid=1 pos=00000000000000ab.1.42 at=1 ",
          "v1 host=p1 pid=1 pos=00000000000000ab.1.42 at=1\n",
          "v1 host=p1 pid=1 pos=00000000000000ab.1.42 at=1 seal=",
          "v1 host=p1 pid=1 pos=00000000000000ab.1.42 at=1 seal=a b",
          "v1 host=p1  pid=1 pos=00000000000000ab.1.42 at=1",
          "v1 host=p1 pid=1 pos=00000000000000ab.1.42 at=99999999999999999999"})
        CHECK_TEXT(!parse_proxy_report(value, "pm", "p1", {}).ok(), value);
}

TEST(proxy_report, that_no_reader_would_take_is_not_written)
{
    for (const Proxy_report &wrong :
         {Proxy_report{"", 1, {1, 1, 1}, 1}, Proxy_report{"a b", 1, {1, 1, 1}, 1},
          Proxy_report{std::string(254, 'a'), 1, {1, 1, 1}, 1}, Proxy_report{"p1", 0, {1, 1, 1}, 1},
          Proxy_report{"p1", 1, {}, 1}})
        CHECK(!format_proxy_report(wrong, "pm", "p1", {}).ok());
    CHECK(!format_proxy_report(report, "pm", "p1", {"", {{"k1", std::string(32, 'k')}}}).ok());
}

TEST(proxy_report, is_sealed_where_there_are_keys)
{
    const auto value = written(report, keys());
    CHECK(value.starts_with(std::string(text) + " seal=k1:"));
    CHECK(is_believed(value, keys()));
    CHECK(is_believed(value)); // who has no keys checks none
}

TEST(proxy_report, without_a_good_seal_is_refused_where_there_are_keys)
{
    const auto value = written(report, keys());
    CHECK(!is_believed(text, keys()));
    CHECK(!is_believed(std::string(text) + " seal=", keys()));
    CHECK(!is_believed(value + "x", keys()));
    CHECK(!is_believed(value, keys(std::string(32, 'x'))));
    auto newer = value;
    newer.replace(newer.find(".1.42"), 5, ".1.43");
    CHECK(!parse_proxy_report(newer, "pm", "p1", keys()).ok());
}

TEST(proxy_report, is_no_other_proxys_and_no_other_maps)
{
    const auto value = written(report, keys());
    CHECK(!is_believed(value, keys(), "p2"));
    CHECK(!is_believed(value, keys(), "p1", "qm"));
}
