// src/doveadm-proxymap/check_passdbs.h and check_settings.h: what a chain of passdbs leaves open.
#include "check_printed.h"
#include "doveadm-proxymap/check_passdbs.h"
#include "doveadm-proxymap/check_settings.h"

#include <CppUTest/TestHarness.h>

using namespace proxymap;

namespace {

const std::string ours = printed_passdb("proxymap", "  args = /etc/proxymap.conf.ext\n");
// With what auth asks for when another one stands behind it.
const std::string ours_before = printed_passdb("proxymap", "  result_internalfail = return-fail\n");

Settings settings_of(const std::string &text)
{
    return *parse_settings(text, "settings");
}

std::vector<Check_finding> find(const std::string &passdbs, const std::string &settings = "")
{
    Check_findings findings;
    check_passdbs(config_with(passdbs), settings_of(settings), findings);
    return findings.sorted();
}

struct Case {
    const char *what;
    std::string passdbs;
    std::string settings;
    Severity severity;
    const char *subject;
    const char *says; // part of the finding
};

} // namespace

TEST_GROUP(check_passdbs){};

TEST(check_passdbs, what_is_safe_gives_no_finding)
{
    for (const std::string &passdbs :
         {ours, printed_passdb("passwd-file", "  deny = yes\n") + ours,
          printed_passdb("static", "  args = proxy=y nopassword=y host=127.0.0.1\n") + ours,
          printed_passdb("passwd-file", "  master = yes\n  result_success = continue\n") + ours})
        CHECK_TRUE(find(passdbs).empty());
    const std::string closed = printed_passdb(
        "proxymap", "  result_failure = return-fail\n  result_internalfail = return-fail\n");
    CHECK_TRUE(find(closed + printed_passdb("pam"), "verify = none\n").empty());
    CHECK_TRUE(
        find(printed_passdb("pam", "  result_success = continue\n") + closed, "verify = none\n")
            .empty());
}

TEST(check_passdbs, each_door_that_is_left_open_is_named)
{
    const Case cases[] = {
        {"no block of ours", printed_passdb("pam"), "", Severity::error, "protocol imap",
         "nobody is routed"},
        {"what auth refuses", printed_passdb("proxymap", "  result_failure = return-ok\n"), "",
         Severity::error, "passdb 1 (proxymap)", "would be let in"},
        {"verify = none, alone", ours, "verify = none\n", Severity::error, "passdb 1 (proxymap)",
         "another passdb must check the password"},
        {"any password, before", printed_passdb("static", "  args = nopassword=y\n") + ours, "",
         Severity::error, "passdb 1 (static)", "any password"},
        {"any password, behind",
         ours_before + printed_passdb("passwd-file", "  default_fields = nopassword=y\n"), "",
         Severity::error, "passdb 2 (passwd-file)", "any password"},
        {"ends logins before", printed_passdb("passwd-file") + ours, "", Severity::warning,
         "passdb 1 (passwd-file)", "stands before proxymap"},
        {"refuses before",
         printed_passdb("passwd-file",
                        "  result_success = continue\n  result_failure = return-fail\n") +
             ours,
         "", Severity::warning, "passdb 1 (passwd-file)", "never asked"},
        {"lets in behind", ours_before + printed_passdb("pam"), "", Severity::warning,
         "passdb 2 (pam)", "stands behind proxymap"},
        {"lives here, by another's word",
         printed_passdb("passwd-file", "  override_fields = proxy_maybe=y host=10.0.0.1\n"
                                       "  result_success = continue\n") +
             ours,
         "", Severity::warning, "passdb 1 (passwd-file)", "proxy_maybe"},
        {"skip = authenticated",
         printed_passdb("pam", "  result_success = continue\n") +
             printed_passdb("proxymap", "  skip = authenticated\n"),
         "", Severity::error, "passdb 2 (proxymap)", "without a route"},
        {"skip = unauthenticated", printed_passdb("proxymap", "  skip = unauthenticated\n"), "",
         Severity::error, "passdb 1 (proxymap)", "leaves it out"},
        {"asked for the authenticated alone",
         printed_passdb("pam", "  result_success = continue\n") +
             printed_passdb("proxymap", "  skip = unauthenticated\n"),
         "", Severity::warning, "passdb 2 (proxymap)", "asked only for logins"},
        {"some mechanisms only",
         printed_passdb("proxymap", "  mechanisms = plain\n  result_internalfail = return-fail\n"
                                    "  result_failure = return-fail\n") +
             printed_passdb("pam"),
         "", Severity::warning, "passdb 1 (proxymap)", "keep some logins from it"},
    };
    for (const Case &one : cases) {
        const std::vector<Check_finding> found = find(one.passdbs, one.settings);
        CHECK_EQUAL_TEXT(1, found.size(), one.what);
        CHECK_TEXT(one.severity == found.front().severity, one.what);
        CHECK_TEXT(one.subject == found.front().subject, one.what);
        CHECK_TEXT(found.front().finding.find(one.says) != std::string::npos, one.what);
        CHECK_TEXT(!found.front().advice.empty(), one.what);
    }
}

TEST(check_passdbs, what_is_not_proxied_here_is_not_looked_at)
{
    CHECK_TRUE(find(printed_passdb("pam"), "backend_services = pop3\n").empty());
}

TEST(check_passdbs, lmtp_without_its_proxy_or_with_everybody_at_home_is_an_error)
{
    const std::string userdb = "userdb {\n  args = allow_all_users=yes\n  driver = static\n}\n";
    const auto find = [](const std::string &printed, const std::string &settings) {
        Running_config config;
        config.protocols.push_back(make_running_protocol("lmtp", parse_doveconf(printed)));
        Check_findings findings;
        check_userdbs(config, settings_of(settings), findings);
        return findings.sorted();
    };
    CHECK_TRUE(find("lmtp_proxy = yes\n" + userdb, "").empty()); // lmtp_missing = tempfail
    CHECK_TRUE(find("lmtp_proxy = yes\n", "lmtp_missing = local\n").empty());
    CHECK_TRUE("protocol lmtp" == find("lmtp_proxy = no\n", "").front().subject);
    CHECK_TRUE("userdb 1 (static)" ==
               find("lmtp_proxy = yes\n" + userdb, "lmtp_missing = local\n").front().subject);
}

TEST(check_passdbs, dovecot_s_cache_matters_only_where_another_passdb_places_users)
{
    const auto count = [](const std::string &printed, const std::string &settings) {
        Check_findings findings;
        check_auth_cache(config_with(printed), settings_of(settings), findings);
        return findings.sorted().size();
    };
    const std::string cache = "auth_cache_size = 10 M\nauth_cache_ttl = 1 hours\n";
    CHECK_EQUAL(0, count(cache + ours, ""));
    CHECK_EQUAL(0, count(ours_before + printed_passdb("pam"), ""));
    CHECK_EQUAL(1, count(cache + ours_before + printed_passdb("pam"), ""));
    CHECK_EQUAL(0, count(cache + ours_before + printed_passdb("pam"), "verify = none\n"));
}

TEST(check_passdbs, settings_that_do_not_go_together_are_named)
{
    const auto find = [](const std::string &printed, const std::string &settings) {
        Check_findings findings;
        check_settings(config_with(printed), settings_of(settings), findings);
        const std::vector<Check_finding> found = findings.sorted();
        return found.empty() ? std::string() : found.front().subject;
    };
    const std::string pool = "source_pool out {\n  addresses = 127.0.0.1\n}\n";
    CHECK_TRUE(find("default_vsz_limit = 2 G\n", "").empty());
    CHECK_TRUE("service auth" == find("default_vsz_limit = 256 M\n", ""));
    CHECK_TRUE(find("default_vsz_limit = 256 M\n", "stores = memcached:127.0.0.1:1\n").empty());
    CHECK_TRUE("service auth" == find("default_vsz_limit = 256 M\n",
                                      "stores = memcached:127.0.0.1:1\ncache_size = 250M\n"));
    CHECK_TRUE("login_source_ips" == find("login_source_ips = 127.0.0.2\n", pool));
    CHECK_TRUE(find("login_source_ips = 127.0.0.2\n", "").empty());
    CHECK_TRUE("ssl_client_require_valid_cert" == find("ssl_client_require_valid_cert = no\n", ""));
    CHECK_TRUE("default_tls" == find("", "default_tls = ssl-any-cert\n"));
}
