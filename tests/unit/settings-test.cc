// Settings: what each may be, what goes together, and that manual and sample say the same.
#include "core/settings.h"

#include <cstdlib>
#include <sstream>
#include <string>

#include <CppUTest/TestHarness.h>

using namespace proxymap;

namespace {

// Made before the first test: what a test allocates and keeps counts as its leak.
[[maybe_unused]] const auto &made_at_start = setting_list();

Settings parsed(std::string_view text)
{
    auto settings = parse_settings(text, "/etc/x");
    CHECK_TEXT(settings.ok(), settings.ok() ? "" : settings.error().message.c_str());
    return std::move(*settings);
}

std::string refusal(std::string_view text)
{
    const auto settings = parse_settings(text, "/etc/x");
    CHECK_TEXT(!settings.ok(),
               ("taken, but it should have been refused: " + std::string(text)).c_str());
    return settings.error().message;
}

void check_range(const std::string &setting, std::initializer_list<const char *> good,
                 std::initializer_list<const char *> bad)
{
    for (const char *value : good)
        parsed(setting + " = " + value);
    for (const char *value : bad)
        CHECK(refusal(setting + " = " + value).starts_with("/etc/x:1: " + setting + " = "));
}

bool contains(const std::string &text, std::string_view part)
{
    return text.find(part) != std::string::npos;
}

// A file of the source tree; make check sets srcdir.
std::string source_file(const std::string &name)
{
    const char *srcdir = getenv("srcdir");
    auto text = read_file(std::string(srcdir != nullptr ? srcdir : ".") + "/" + name);
    CHECK_TEXT(text.ok(), text.ok() ? "" : text.error().message.c_str());
    return std::move(*text);
}

} // namespace

TEST_GROUP(settings){};

TEST(settings, an_empty_file_gives_the_defaults)
{
    const auto settings = parsed("");
    STRCMP_EQUAL("/etc/x", settings.path.c_str());
    STRCMP_EQUAL("pm", settings.name_space.c_str());
    STRCMP_EQUAL("/var/lib/dovecot-proxymap", settings.table.c_str());
    LONGS_EQUAL(1, settings.stores.size());
    STRCMP_EQUAL("lmdb", settings.stores[0].text().c_str());
    LONGS_EQUAL(5, settings.backend_services.size());
    LONGS_EQUAL(0, settings.allow_fields.size());
    CHECK(settings.verify == Verify::backend);
    CHECK(settings.lmtp_missing == Lmtp_missing::tempfail);
    CHECK(settings.key_case == Key_case::lower);
}

TEST(settings, every_default_written_out_changes_nothing)
{
    for (const auto &info : setting_list()) {
        const std::string line =
            std::string(info.name) + " = " + std::string(info.default_value) + "\n";
        CHECK_TEXT(parsed(line) == parsed(""), line.c_str());
    }
}

TEST(settings, each_setting_reaches_its_field)
{
    const auto settings = parsed("namespace = fleet\n"
                                 "table = /srv/map\n"
                                 "table_max_size = 2G\n"
                                 "stores = memcached:/run/m.sock memcached:m2:11211 lmdb\n"
                                 "key_case = keep\n"
                                 "seal_keys_file = /etc/k\n"
                                 "require_seal = yes\n"
                                 "proxy_name = p1\n"
                                 "proxies = p1 p2=10.0.0.2:24245\n"
                                 "verify = map\n"
                                 "backend_services = imap managesieve\n"
                                 "lmtp_missing = local\n"
                                 "allow_fields = password nologin\n"
                                 "credentials_file = /etc/c\n"
                                 "default_credential = site\n"
                                 "default_tls = starttls\n"
                                 "default_tls_policy = strict\n"
                                 "default_source_pool = out\n"
                                 "lookup_timeout = 250ms\n"
                                 "cache_size = 128M\n"
                                 "cache_ttl = 2h\n"
                                 "cache_negative_ttl = 0\n"
                                 "cache_stale_ttl = 2d\n"
                                 "breaker_failures = 5\n"
                                 "breaker_pause = 2s\n"
                                 "tls_policy strict {\n any_cert = yes\n}\n"
                                 "source_pool out {\n addresses = 10.0.0.1\n}\n");
    STRCMP_EQUAL("fleet", settings.name_space.c_str());
    STRCMP_EQUAL("/srv/map", settings.table.c_str());
    CHECK(settings.table_max_size == 2ULL << 30U);
    LONGS_EQUAL(3, settings.stores.size());
    STRCMP_EQUAL("/run/m.sock", settings.stores[0].path.c_str());
    STRCMP_EQUAL("m2", settings.stores[1].host.c_str());
    LONGS_EQUAL(11211, settings.stores[1].port);
    STRCMP_EQUAL("/srv/map", settings.stores[2].path.c_str());
    CHECK(settings.key_case == Key_case::keep);
    STRCMP_EQUAL("/etc/k", settings.seal_keys_file.c_str());
    CHECK(settings.require_seal);
    STRCMP_EQUAL("p1", settings.proxy_name.c_str());
    LONGS_EQUAL(2, settings.proxies.size());
    STRCMP_EQUAL("p2", settings.proxies[1].name.c_str());
    LONGS_EQUAL(24245, settings.proxies[1].port);
    CHECK(settings.verify == Verify::map);
    CHECK((settings.backend_services == std::set{Service::imap, Service::sieve}));
    CHECK(settings.lmtp_missing == Lmtp_missing::local);
    CHECK((settings.allow_fields == std::set{Field_id::password, Field_id::nologin}));
    STRCMP_EQUAL("/etc/c", settings.credentials_file.c_str());
    STRCMP_EQUAL("site", settings.default_credential.c_str());
    STRCMP_EQUAL("starttls", settings.default_tls.c_str());
    STRCMP_EQUAL("strict", settings.default_tls_policy.c_str());
    STRCMP_EQUAL("out", settings.default_source_pool.c_str());
    LONGS_EQUAL(250, settings.lookup_timeout);
    CHECK(settings.cache_size == 128ULL << 20U);
    LONGS_EQUAL(7'200'000, settings.cache_ttl);
    LONGS_EQUAL(0, settings.cache_negative_ttl);
    LONGS_EQUAL(172'800'000, settings.cache_stale_ttl);
    LONGS_EQUAL(5, settings.breaker_failures);
    LONGS_EQUAL(2000, settings.breaker_pause);
    LONGS_EQUAL(1, settings.tls_policies.size());
    CHECK(settings.find_tls_policy("strict")->any_cert);
    CHECK(settings.find_tls_policy("out") == nullptr);
    LONGS_EQUAL(1, settings.source_pools.size());
    LONGS_EQUAL(1, settings.find_source_pool("out")->words.size());
    CHECK(settings.find_source_pool("strict") == nullptr);
}

TEST(settings, a_typo_is_answered_with_the_nearest_name)
{
    STRCMP_EQUAL("/etc/x:2: unknown setting \"cache_tll\": did you mean cache_ttl?",
                 refusal("# x\ncache_tll = 1h\n").c_str());
}

TEST(settings, an_unlikely_name_is_answered_with_all_of_them)
{
    const auto message = refusal("memcached_servers = localhost");
    for (const auto &info : setting_list())
        CHECK(contains(message, info.name));
}

TEST(settings, a_setting_given_twice_is_an_error_that_names_both_lines)
{
    STRCMP_EQUAL("/etc/x:3: verify is given twice: first in line 1, again in line 3",
                 refusal("verify = none\n\nverify = none\n").c_str());
}

TEST(settings, an_error_names_file_line_setting_and_what_is_allowed)
{
    STRCMP_EQUAL("/etc/x:1: lookup_timeout = \"20s\": it must be 10ms to 10s",
                 refusal("lookup_timeout = 20s").c_str());
    STRCMP_EQUAL("/etc/x:1: verify = \"nobody\": it must be backend, map or none",
                 refusal("verify = nobody").c_str());
}

TEST(settings, times_have_a_unit_and_a_range)
{
    check_range("lookup_timeout", {"10ms", "10s", "1 secs"}, {"9ms", "10001ms", "5", "0", "", "x"});
    check_range("cache_ttl", {"1s", "1d", "24 hours"}, {"999ms", "0", "8d"});
    check_range("cache_negative_ttl", {"0", "0s", "1h"}, {"61m", "-1s"});
    check_range("breaker_pause", {"100ms", "60s", "1m"}, {"99ms", "61s"});
    parsed("cache_ttl = 7d\ncache_stale_ttl = 30d");
    refusal("cache_stale_ttl = 31d");
}

TEST(settings, sizes_and_numbers_have_a_range)
{
    check_range("cache_size", {"1M", "1048576", "4g"}, {"1023k", "0", "-1M", "1X", "2T", ""});
    check_range("table_max_size", {"1M", "1T"},
                {"1", "2T", "99999999999999999999", "17179869184G"});
    check_range("breaker_failures", {"1", "100"}, {"0", "101", "3x", "-1", "", "+3"});
}

TEST(settings, words_are_taken_only_as_they_are_written_in_the_manual)
{
    check_range("key_case", {"lower", "keep"}, {"upper", "Lower", ""});
    check_range("lmtp_missing", {"tempfail", "local"}, {"reject", ""});
    check_range("require_seal", {"no"}, {"true", "1", ""});
    check_range("default_tls", {"no", "starttls", "starttls-any-cert", "ssl", "ssl-any-cert"},
                {"yes", "tls", ""});
}

TEST(settings, names_and_paths_are_checked)
{
    check_range("namespace", {"a", "pm-2_X", "01234567890123456789012345678901"},
                {"", "a.b", "a b", "a:b", "012345678901234567890123456789012"});
    check_range("table", {"/x"}, {"x", "", "./x"});
    check_range("seal_keys_file", {"/x", ""}, {"x"});
    check_range("credentials_file", {"/x", ""}, {"x"});
    check_range("default_credential", {""}, {"a b", "a/b"});
}

TEST(settings, a_store_is_lmdb_or_a_memcached_with_its_address)
{
    check_range("stores",
                {"lmdb", "memcached:localhost:11211", "memcached:10.0.0.1:1",
                 "memcached:[2001:db8::1]:65535", "memcached:/run/memcached.sock",
                 "memcached:a:1 memcached:a:2 memcached:b:1 lmdb"},
                {"",
                 "redis:a:1",
                 "lmdb:/x",
                 "memcached",
                 "memcached:",
                 "memcached:a",
                 "memcached:a:",
                 "memcached:a:0",
                 "memcached:a:65536",
                 "memcached:a:1x",
                 "memcached::1",
                 "memcached:2001:db8::1:11211",
                 "memcached:[2001:db8::1]",
                 "memcached:[10.0.0.1]:1",
                 "memcached:[::1:1",
                 "memcached:10.0.1:1",
                 "memcached:300.0.0.1:1",
                 "memcached:a_b/c:1",
                 "memcached:-a:1",
                 "lmdb,x"});
    CHECK(contains(refusal("stores = memcached:a"), "the port is missing"));
}

TEST(settings, a_proxy_is_a_name_and_where_its_doveadm_listens)
{
    for (const char *word : {"p1", "p1=p1.example.com", "p1=10.0.0.1:24245", "p1=[2001:db8::1]",
                             "p1=[2001:db8::1]:24245", "p1=/run/dovecot/doveadm-server"}) {
        const auto proxy = parse_proxy_address(word);
        CHECK_TEXT(proxy.ok(), word);
        STRCMP_EQUAL(word, proxy->text().c_str());
        STRCMP_EQUAL("p1", proxy->name.c_str());
        CHECK(proxy->has_address() == (std::string_view(word) != "p1"));
    }
    for (const char *word : {"p 1", "=10.0.0.1", "p/1=10.0.0.1", "p1=", "p1=10.0.0", "p1=a:0",
                             "p1=a:x", "p1=2001:db8::1", "p1=[10.0.0.1]", "p1=[2001:db8::1",
                             "p1=[2001:db8::1]x", "p1=run/doveadm"})
        CHECK_TEXT(!parse_proxy_address(word).ok(), word);
    CHECK(contains(refusal("proxies = p1=a:b"), "\"p1=a:b\" is no proxy: \"b\" is no port"));
}

TEST(settings, two_proxies_have_neither_name_nor_address_in_common)
{
    CHECK(contains(refusal("proxies = p1 p1=a"), "the proxy \"p1\" is named twice"));
    CHECK(contains(refusal("proxies = p1=a:1 p2=a:1"), "\"p1\" and \"p2\" have the same address"));
    LONGS_EQUAL(3, parsed("proxies = p1=a:1 p2=a:2 p3").proxies.size());
}

TEST(settings, a_store_is_named_once)
{
    CHECK(contains(refusal("stores = lmdb lmdb"), "named twice"));
    CHECK(contains(refusal("stores = memcached:a:1 lmdb memcached:a:1"), "named twice"));
}

TEST(settings, the_text_of_a_store_is_what_the_admin_wrote)
{
    for (const char *word : {"lmdb", "memcached:a:1", "memcached:[::1]:11211", "memcached:/m"})
        STRCMP_EQUAL(word, parse_store_address(word)->text().c_str());
}

TEST(settings, a_socket_path_that_the_kernel_would_refuse_is_refused)
{
    parsed("stores = memcached:/" + std::string(106, 'x'));
    CHECK(contains(refusal("stores = memcached:/" + std::string(107, 'x')), "at most 107 bytes"));
}

TEST(settings, a_service_that_does_not_proxy_is_never_answered)
{
    check_range("backend_services", {"imap", "imap pop3 submission sieve managesieve lmtp"},
                {"smtp", "imap smtp", "", "any", "doveadm", "IMAP"});
    CHECK(contains(refusal("backend_services = smtp"), "these are imap, pop3, submission, sieve"));
}

TEST(settings, only_fields_that_need_permission_can_be_allowed)
{
    check_range("allow_fields",
                {"", "pass password allow_nets allow_real_nets delay_until nologin user"},
                {"host", "nopassword", "proxy", "pass.imap", "user_", "pass,password"});
    CHECK(contains(
        refusal("allow_fields = nopassword"),
        "these are pass, password, allow_nets, allow_real_nets, delay_until, nologin, user"));
}

TEST(settings, a_stale_record_lives_at_least_as_long_as_a_fresh_one)
{
    CHECK(refusal("\ncache_ttl = 2d").starts_with("/etc/x:2: cache_stale_ttl (default 1d)"));
    CHECK(
        refusal("cache_ttl = 1m\ncache_stale_ttl = 59s").starts_with("/etc/x:2: cache_stale_ttl"));
    parsed("cache_ttl = 1m\ncache_stale_ttl = 1m");
}

TEST(settings, what_needs_a_file_names_it)
{
    CHECK(refusal("\nrequire_seal = yes")
              .starts_with("/etc/x:2: require_seal = yes needs seal_keys_file"));
    CHECK(refusal("default_credential = a")
              .starts_with("/etc/x:1: default_credential needs credentials_file"));
}

TEST(settings, verify_map_needs_the_field_that_it_checks)
{
    CHECK(contains(refusal("verify = map"), "allow_fields must name password"));
    parsed("verify = map\nallow_fields = password");
}

TEST(settings, a_default_policy_or_pool_needs_its_section)
{
    CHECK(refusal("default_tls_policy = a\nsource_pool a {\n addresses = h\n}\n")
              .starts_with("/etc/x:1: default_tls_policy names a"));
    CHECK(refusal("default_source_pool = a").starts_with("/etc/x:1: default_source_pool names a"));
}

TEST(settings, sections_are_checked_as_a_whole_and_others_are_refused)
{
    CHECK(refusal("tls_policy a {\n x = 1\n}\n")
              .starts_with("/etc/x:2: tls_policy a: unknown setting \"x\""));
    CHECK(refusal("\nsource_pool a {\n}\n").starts_with("/etc/x:2: source_pool a: addresses is"));
    STRCMP_EQUAL("/etc/x:1: unknown section \"seal_key\": allowed are tls_policy NAME { }, "
                 "source_pool NAME { } and credential NAME { }",
                 refusal("seal_key a {\n}\n").c_str());
    CHECK(contains(refusal("tls_policy a {\n any_cert = yes\n}\ntls_policy a {\n}\n"),
                   "given twice"));
}

TEST(settings, an_error_never_shows_more_than_the_beginning_of_a_value)
{
    CHECK(refusal("namespace = " + std::string(5000, 'x')).size() < 300);
}

TEST(settings, the_manual_has_every_setting_with_its_default)
{
    const auto manual = source_file("man/proxymap.conf.ext.5");
    for (const auto &info : setting_list()) {
        const std::string shown = info.default_value.empty()
                                      ? "(default: empty)"
                                      : "(default: " + std::string(info.default_value) + ")";
        const std::string heading = "\n.SS " + std::string(info.name) + " " + shown + "\n";
        CHECK_TEXT(contains(manual, heading), ("the manual lacks" + heading).c_str());
    }
}

TEST(settings, the_manual_has_no_other_setting)
{
    const auto manual = source_file("man/proxymap.conf.ext.5");
    std::istringstream lines(manual);
    std::size_t count = 0;
    for (std::string line; std::getline(lines, line);)
        count += line.starts_with(".SS ") && contains(line, " (default: ") ? 1U : 0U;
    LONGS_EQUAL(setting_list().size(), count);
}

TEST(settings, the_sample_has_every_setting_commented_with_its_default)
{
    const auto sample = source_file("conf.d/proxymap.conf.ext");
    for (const auto &info : setting_list()) {
        std::string line = "\n#" + std::string(info.name) + " =";
        if (!info.default_value.empty())
            line += " " + std::string(info.default_value);
        CHECK_TEXT(contains(sample, line + "\n"), ("the sample lacks" + line).c_str());
    }
}

TEST(settings, the_sample_is_read_as_it_is_and_with_each_setting_uncommented)
{
    auto sample = source_file("conf.d/proxymap.conf.ext");
    parsed(sample);
    for (const auto &info : setting_list()) {
        const auto at = sample.find("\n#" + std::string(info.name) + " =");
        CHECK(at != std::string::npos);
        sample.erase(at + 1, 1);
    }
    parsed(sample);
}

TEST(settings, manual_and_sample_have_every_setting_of_a_section_with_its_default)
{
    const auto manual = source_file("man/proxymap.conf.ext.5");
    const auto sample = source_file("conf.d/proxymap.conf.ext");
    auto infos = tls_policy_settings();
    for (const auto &info : source_pool_settings())
        infos.push_back(info);
    for (const auto &info : infos) {
        const std::string name(info.name);
        const std::string shown =
            info.default_value.empty() ? "empty" : std::string(info.default_value);
        const auto heading = "\n.BR " + name + " \" (default: " + shown + ")\"\n";
        CHECK_TEXT(contains(manual, heading), ("the manual lacks" + heading).c_str());
        CHECK_TEXT(contains(sample, "  " + name + " = ") || contains(sample, "  #" + name + " = "),
                   ("the sample lacks " + name).c_str());
    }
}

TEST(settings, the_samples_sections_are_right_when_they_are_uncommented)
{
    std::istringstream lines(source_file("conf.d/proxymap.conf.ext"));
    std::string text;
    bool inside = false;
    for (std::string line; std::getline(lines, line);) {
        inside = inside || line.starts_with("#tls_policy ") || line.starts_with("#source_pool ");
        if (inside)
            text += line.substr(1) + "\n";
        inside = inside && line != "#}";
    }
    const auto settings = parsed(text);
    STRCMP_EQUAL("/etc/dovecot/backend-ca.pem",
                 settings.find_tls_policy("strict")->ca_file.c_str());
    LONGS_EQUAL(4, settings.find_source_pool("out")->words.size());
}

TEST(settings, every_setting_is_documented_in_one_sentence)
{
    for (const auto &info : setting_list()) {
        CHECK(!info.help.empty() && !info.type.empty() && !info.used_by.empty());
        CHECK(info.help.back() != '.');
    }
}

TEST_GROUP(setting_values){};

TEST(setting_values, times_are_milliseconds)
{
    LONGS_EQUAL(500, *parse_time("500ms"));
    LONGS_EQUAL(10'000, *parse_time("10s"));
    LONGS_EQUAL(300'000, *parse_time("5m"));
    LONGS_EQUAL(3'600'000, *parse_time("1 hour"));
    LONGS_EQUAL(86'400'000, *parse_time("1D"));
    LONGS_EQUAL(604'800'000, *parse_time("1 week"));
    LONGS_EQUAL(0, *parse_time("0"));
}

TEST(setting_values, a_time_without_a_unit_is_refused)
{
    STRCMP_EQUAL("the time has no unit: write 10s or 10ms",
                 parse_time("10").error().message.c_str());
    for (const char *text : {"", "s", "1.5s", "-1s", "1y", "1s1", "1  x", "99999999999999999999s",
                             "18446744073709551615d"})
        CHECK_TEXT(!parse_time(text).ok(), text);
}

TEST(setting_values, sizes_are_bytes)
{
    LONGS_EQUAL(4096, *parse_size("4096"));
    LONGS_EQUAL(512 * 1024, *parse_size("512k"));
    LONGS_EQUAL(64 * 1024 * 1024, *parse_size("64 M"));
    CHECK(*parse_size("1T") == 1ULL << 40U);
    for (const char *text : {"", "M", "1.5M", "-1", "1MB", "18446744073709551615k"})
        CHECK_TEXT(!parse_size(text).ok(), text);
}
