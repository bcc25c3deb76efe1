// src/dovecot/doveconf_text.h, auth_chain.h and running_config.h: the printed configuration of both
// branches means the same.
#include "check_printed.h"

#include <CppUTest/TestHarness.h>

using namespace proxymap;

TEST_GROUP(auth_chain){};

TEST(auth_chain, blocks_of_both_branches_read_alike)
{
    const auto of_2_3 = read_auth_blocks(parse_doveconf("passdb {\n"
                                                        "  args = password=x nopassword=y\n"
                                                        "  driver = static\n"
                                                        "  mechanisms = plain\n"
                                                        "  result_success = continue\n"
                                                        "  skip = authenticated\n"
                                                        "}\n"),
                                         "passdb");
    const auto of_2_4 =
        read_auth_blocks(parse_doveconf("passdb_result_success = return-ok\n"
                                        "passdb static {\n"
                                        "  fields {\n"
                                        "    nopassword = y\n"
                                        "  }\n"
                                        "  mechanisms_filter = plain\n"
                                        "  passdb_result_success = continue\n"
                                        "  skip = authenticated\n"
                                        "  passdb_static {\n"
                                        "    password = # hidden, use -P to show it\n"
                                        "  }\n"
                                        "}\n"),
                         "passdb");
    for (const auto *blocks : {&of_2_3, &of_2_4}) {
        CHECK_EQUAL(1, blocks->size());
        const Auth_block &block = blocks->front();
        CHECK_TRUE("static" == block.driver);
        CHECK_TRUE(block.accepts_any_password());
        CHECK_TRUE(block.skips_some_logins);
        CHECK_TRUE("continue" == block.result_success);
        CHECK_TRUE("continue" == block.result_failure);
        CHECK_TRUE("authenticated" == block.skip);
        CHECK_FALSE(block.ends_login());
    }
    CHECK_TRUE("passdb 1 (static)" == of_2_3.front().label);
    CHECK_TRUE("passdb static" == of_2_4.front().label);
}

TEST(auth_chain, a_static_userdb_that_takes_everybody_is_found_on_both_branches)
{
    for (const char *printed :
         {"userdb {\n  args = uid=x allow_all_users=yes\n  driver = static\n}\n",
          "userdb static {\n  allow_all_users = yes\n}\n",
          "userdb static {\n  userdb_static_allow_all_users = yes\n}\n",
          "userdb static {\n  userdb_static {\n    allow_all_users = yes\n  }\n}\n"})
        CHECK_TRUE(read_auth_blocks(parse_doveconf(printed), "userdb").front().allow_all_users);
    CHECK_FALSE(read_auth_blocks(parse_doveconf("userdb {\n  args = uid=x\n  driver = static\n}\n"),
                                 "userdb")
                    .front()
                    .allow_all_users);
}

TEST(auth_chain, the_rules_of_a_block_are_those_that_auth_finds)
{
    const std::vector<Auth_block> passdbs = read_auth_blocks(
        parse_doveconf(printed_passdb("passwd-file", "  result_success = continue-ok\n") +
                       printed_passdb("proxymap", "  result_failure = return-fail\n"
                                                  "  result_internalfail = return-fail\n") +
                       printed_passdb("pam", "  result_failure = continue-ok\n")),
        "passdb");
    const Block_rules rules = rules_of(passdbs, 1, "", "");
    CHECK_FALSE(rules.is_first);
    CHECK_TRUE(rules.has_next);
    CHECK_TRUE(rules.failures_end_login);
    CHECK_TRUE(rules.earlier_said_ok);
    CHECK_FALSE(rules.earlier_end_login);
    CHECK_FALSE(rules.earlier_failures_end);
    CHECK_TRUE(rules.others_let_in);
    CHECK_FALSE(rules.failures_let_in);
}

TEST(auth_chain, a_passdb_before_it_that_ends_the_logins_of_strangers_is_found)
{
    const auto behind = [](const std::string &rules) {
        const std::vector<Auth_block> passdbs =
            read_auth_blocks(parse_doveconf(printed_passdb("passwd-file", "  " + rules + "\n") +
                                            printed_passdb("proxymap")),
                             "passdb");
        return rules_of(passdbs, 1, "", "").earlier_failures_end;
    };
    CHECK_TRUE(behind("result_failure = return-fail"));
    CHECK_TRUE(behind("result_failure = return"));
    CHECK_TRUE(behind("result_internalfail = return"));
    CHECK_FALSE(behind("result_internalfail = return-fail"));
    CHECK_FALSE(behind("result_failure = continue-fail"));
}

TEST(auth_chain, a_mechanism_that_believes_itself_wants_to_reach_the_block)
{
    Block_rules rules;
    rules.failures_end_login = true;
    rules.outages_end_login = true;
    rules.earlier_failures_end = true;
    for (const Verify verify : {Verify::backend, Verify::map}) {
        CHECK_TRUE(check_passdb_block(rules, verify).empty());
        rules.believing_mechanism = "GSSAPI";
        CHECK_TRUE(check_passdb_block(rules, verify).starts_with("auth_mechanisms has GSSAPI"));
        rules.believing_mechanism.clear();
    }
}

TEST(auth_chain, a_mechanism_that_believes_itself_wants_no_way_past_the_block)
{
    Block_rules fine;
    fine.failures_end_login = true;
    fine.outages_end_login = true;
    for (bool Block_rules::*way :
         {&Block_rules::masters_can_be_named, &Block_rules::skips_some_logins,
          &Block_rules::skipped_when_authenticated, &Block_rules::skipped_when_unauthenticated}) {
        for (const Verify verify : {Verify::backend, Verify::map}) {
            Block_rules rules = fine;
            rules.*way = true;
            CHECK_TRUE(check_passdb_block(rules, verify).empty());
            rules.believing_mechanism = "GSSAPI";
            CHECK_TRUE(check_passdb_block(rules, verify).starts_with("auth_mechanisms has GSSAPI"));
        }
    }
}

TEST(auth_chain, a_master_can_be_named_where_there_are_a_separator_and_a_block_of_masters)
{
    const auto behind = [](const std::string &first, std::string_view separator) {
        const std::vector<Auth_block> passdbs = read_auth_blocks(
            parse_doveconf(printed_passdb("pam", first) + printed_passdb("proxymap")), "passdb");
        return rules_of(passdbs, 1, "", separator).masters_can_be_named;
    };
    CHECK_TRUE(behind("  master = yes\n", "*"));
    CHECK_FALSE(behind("  master = yes\n", ""));
    CHECK_FALSE(behind("", "*"));
}

TEST(auth_chain, a_first_block_for_the_authenticated_is_left_out)
{
    const std::vector<Auth_block> passdbs =
        read_auth_blocks(parse_doveconf(printed_passdb("pam", "  skip = unauthenticated\n") +
                                        printed_passdb("proxymap")),
                         "passdb");
    CHECK_TRUE(is_left_out(passdbs, 0));
    CHECK_TRUE(rules_of(passdbs, 1, "", "").is_first);
}

TEST(auth_chain, a_protocol_s_own_blocks_and_settings_are_laid_over_the_rest)
{
    const Doveconf_block merged = with_protocol_block(
        parse_doveconf("login_plugins = login_proxy_ext\n"
                       "passdb proxymap {\n}\n"
                       "protocol imap {\n  login_plugins = \n  passdb pam {\n  }\n}\n"),
        "imap");
    CHECK_TRUE(merged.value("login_plugins").empty());
    CHECK_EQUAL(2, read_auth_blocks(merged, "passdb").size());
}

TEST(auth_chain, mechanisms_that_believe_themselves_are_found)
{
    CHECK_TRUE("GSSAPI" == find_believing_mechanism("plain gssapi", false));
    CHECK_TRUE("OAUTHBEARER" == find_believing_mechanism("plain OAUTHBEARER", true));
    CHECK_TRUE(find_believing_mechanism("plain OAUTHBEARER", false).empty());
}

TEST(auth_chain, sizes_are_read_as_doveconf_prints_them)
{
    CHECK_TRUE(10U << 20U == parse_doveconf_size("10 M"));
    CHECK_TRUE(2ULL << 30U == parse_doveconf_size("2G"));
    CHECK_TRUE(0 == parse_doveconf_size("unlimited"));
    CHECK_TRUE(0 == parse_doveconf_size(""));
}

TEST(auth_chain, how_dovecot_verifies_backends_is_read_on_both_branches)
{
    const Running_config of_2_3 = make_running_config(
        parse_doveconf("ssl_ca = </etc/ca.pem\nssl_client_require_valid_cert = no\n"), false);
    const Running_config of_2_4 = make_running_config(
        parse_doveconf("ssl_client_ca_file = \nssl_client_require_valid_cert = yes\n"
                       "ssl_client {\n  ca_file = /etc/ca.pem\n  require_valid_cert = no\n}\n"),
        true);
    for (const Running_config *config : {&of_2_3, &of_2_4}) {
        CHECK_TRUE("/etc/ca.pem" == config->client_ca_file);
        CHECK_FALSE(config->requires_valid_cert);
    }
    CHECK_TRUE(make_running_config(parse_doveconf(""), true).requires_valid_cert);
}

TEST(auth_chain, the_memory_of_auth_is_its_own_limit_or_the_general_one)
{
    const auto limit = [](const std::string &service) {
        return make_running_config(parse_doveconf("default_vsz_limit = 256 M\n" + service), false)
            .auth_vsz_limit;
    };
    CHECK_TRUE(256U << 20U == limit(""));
    CHECK_TRUE(256U << 20U == limit("service auth {\n  vsz_limit = 18446744073709551615 B\n}\n"));
    CHECK_TRUE(2ULL << 30U == limit("service auth {\n  vsz_limit = 2 G\n}\n"));
}
