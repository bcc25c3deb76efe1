// src/doveadm-proxymap/check_modules.h: modules that are missing or of another Dovecot.
#include "check_printed.h"
#include "doveadm-proxymap/check_modules.h"

#include <CppUTest/TestHarness.h>

using namespace proxymap;

TEST_GROUP(check_modules){};

TEST(check_modules, the_abi_is_found_as_a_whole_string_alone)
{
    using namespace std::string_literals;
    CHECK_TRUE("2.3.ABIv19(2.3.19.1)" ==
               find_abi("\0built with (2.3.ABIv19(2.3.19.1)): no\0\0x.ABIv\0"
                        "2.3.ABIv19(2.3.19.1)\0rest"s));
    CHECK_TRUE(find_abi("built with (2.3.ABIv19(2.3.19.1)): no"s).empty());
    CHECK_TRUE("2.4.ABIv1" == find_abi("\0with (2.4.ABIv1): no\0"
                                       "2.4.ABIv1\0rest"s));
    CHECK_TRUE(find_abi("").empty());
}

TEST(check_modules, abis_are_compared_up_to_the_bracket)
{
    CHECK_TRUE(same_abi("2.3.ABIv19(2.3.19.1)", "2.3.ABIv19(2.3.19.2)"));
    CHECK_FALSE(same_abi("2.3.ABIv19(2.3.19.1)", "2.3.ABIv21(2.3.21)"));
    CHECK_FALSE(same_abi("", "2.3.ABIv19(2.3.19.1)"));
}

TEST(check_modules, one_that_is_missing_or_of_another_dovecot_is_an_error)
{
    Running_config config;
    config.abi = "2.3.ABIv19(2.3.19.1)";
    Check_findings findings;
    check_modules({{"/m/good.so", "x", "2.3.ABIv19(2.3.19.1)"},
                   {"/m/old.so", "auth does not start", "2.3.ABIv18(2.3.18)"},
                   {"/m/none.so", "auth does not start", std::nullopt}},
                  config, findings);
    const std::vector<Check_finding> found = findings.sorted();
    CHECK_EQUAL(2, found.size());
    CHECK_TRUE("module /m/old.so" == found[0].subject);
    CHECK_TRUE(found[0].finding.find("2.3.ABIv18(2.3.18)") != std::string::npos);
    CHECK_TRUE("module /m/none.so" == found[1].subject);
}

TEST(check_modules,
     where_routes_may_need_the_login_plugin_login_processes_load_it_with_the_same_settings)
{
    const auto find = [](const std::string &printed, const std::string &settings) {
        Check_findings findings;
        check_login_plugins(config_with(printed), *parse_settings(settings, "/etc/p.conf"),
                            findings);
        const std::vector<Check_finding> found = findings.sorted();
        return found.empty() ? std::string() : found.front().subject;
    };
    const std::string pool = "source_pool out {\n  addresses = 127.0.0.1\n}\n";
    const std::string environment = "import_environment = TZ PROXYMAP_CONFIG=/etc/p.conf\n";
    CHECK_TRUE(find("", "").empty());
    CHECK_TRUE("protocol imap" == find("", pool));
    CHECK_TRUE("import_environment" == find("login_plugins = login_proxy_ext\n", pool));
    CHECK_TRUE(find("login_plugins = login_proxy_ext\n" + environment, pool).empty());
}
