// The settings as somebody else reads them for us: Dovecot 2.4.
#include "core/setting_sections.h"

#include <algorithm>
#include <cstdlib>
#include <string>

#include <CppUTest/TestHarness.h>

using namespace proxymap;

namespace {

// Made before the first test: what a test allocates and keeps counts as its leak.
[[maybe_unused]] const auto &made_at_start = setting_sections();

const Setting_section &section_of(std::string_view type)
{
    const auto sections = setting_sections();
    return *std::find_if(sections.begin(), sections.end(),
                         [&](const Setting_section &section) { return section.type == type; });
}

Conf_section section(const std::string &type, const std::string &name,
                     std::vector<Conf_entry> entries)
{
    Conf_section made;
    made.type = type;
    made.name = name;
    made.entries = std::move(entries);
    return made;
}

std::string source_file(const std::string &name)
{
    const char *srcdir = std::getenv("srcdir");
    auto text = read_file((srcdir == nullptr ? "" : std::string(srcdir) + "/") + name);
    CHECK_TEXT(text.ok(), text.ok() ? "" : text.error().message.c_str());
    return std::move(*text);
}

} // namespace

TEST_GROUP(setting_sections){};

TEST(setting_sections, each_default_is_right_by_itself)
{
    for (const Setting_section &known : setting_sections()) {
        for (const Setting_info &setting : known.settings) {
            if (!setting.default_value.empty())
                CHECK_TEXT(known.check(setting.name, setting.default_value).ok(),
                           std::string(setting.name).c_str());
        }
    }
}

TEST(setting_sections, a_value_alone_is_checked_as_in_the_file)
{
    STRCMP_EQUAL("it must be backend, map or none",
                 section_of("").check("verify", "maybe").error().message.c_str());
    CHECK(!section_of("tls_policy").check("pin_sha256", "x").ok());
    CHECK(!section_of("source_pool").check("choose", "any").ok());
    CHECK(!section_of("credential").check("password_file", "x").ok());
}

TEST(setting_sections, the_sample_for_dovecot_2_4_has_each_with_its_default)
{
    const auto sample = source_file("conf.d/2.4/90-proxymap.conf");
    auto has = [&](const std::string &line) { return sample.find(line) != std::string::npos; };
    for (const Setting_section &known : setting_sections()) {
        for (const Setting_info &setting : known.settings) {
            const std::string name(setting.name);
            if (known.type.empty()) {
                const std::string value(setting.default_value);
                const std::string line =
                    "\n#proxymap_" + name + " =" + (value.empty() ? "" : " " + value) + "\n";
                CHECK_TEXT(has(line), ("the sample lacks" + line).c_str());
            } else {
                CHECK_TEXT(has("\n#  " + name + " = ") || has("\n#  #" + name + " = "),
                           ("the sample lacks " + name).c_str());
            }
        }
        CHECK(known.type.empty() || has("\n#proxymap_" + std::string(known.type) + " "));
    }
}

TEST(setting_sections, settings_that_were_read_elsewhere_are_checked_as_a_whole)
{
    Conf_section read = section("", "", {{"cache_ttl", "2d"}, {"default_tls_policy", "a"}});
    const auto refused = make_settings(read, "elsewhere");
    STRCMP_EQUAL("elsewhere: cache_stale_ttl (default 1d) must be at least as long as cache_ttl "
                 "(default 1h): an outage must not drop what is still fresh",
                 refused.error().message.c_str());
    read.entries.front().value = "2h";
    CHECK(make_settings(read, "elsewhere").error().message.starts_with("elsewhere: default_tls"));
    read.sections.push_back(section("tls_policy", "a", {{"any_cert", "yes"}}));
    read.sections.push_back(section("credential", "site", {{"password_file", "/nonexistent"}}));
    const auto settings = make_settings(read, "elsewhere");
    CHECK_TEXT(settings.ok(), settings.ok() ? "" : settings.error().message.c_str());
    CHECK(settings->find_tls_policy("a") != nullptr);
    LONGS_EQUAL(2 * 3'600'000, settings->cache_ttl);
    LONGS_EQUAL(1, settings->credentials.size());
}
