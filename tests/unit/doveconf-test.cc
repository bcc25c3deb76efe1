// src/dovecot/doveconf.cc: which settings file Dovecot's configuration names.
#include "dovecot/doveadm.h"

#include <CppUTest/TestHarness.h>

using namespace proxymap;

TEST_GROUP(doveconf){};

TEST(doveconf, the_first_block_of_the_driver_counts)
{
    const auto args = find_passdb_args("passdb=0 1 2\n"
                                       "passdb/0/driver=passwd-file\n"
                                       "passdb/0/args=/etc/users\n"
                                       "passdb/1/driver=proxymap\n"
                                       "passdb/1/args=/etc/a.conf\n"
                                       "passdb/2/driver=proxymap\n"
                                       "passdb/2/args=/etc/b.conf\n",
                                       "proxymap");
    CHECK_TRUE(args.has_value());
    CHECK_TRUE("/etc/a.conf" == *args);
}

TEST(doveconf, args_may_stand_before_the_driver)
{
    const auto args = find_passdb_args("passdb/0/args=/etc/a.conf\n"
                                       "passdb/0/driver=proxymap\n"
                                       "passdb/0/deny=no\n",
                                       "proxymap");
    CHECK_TRUE(args == "/etc/a.conf");
}

TEST(doveconf, args_of_another_block_are_never_taken)
{
    const auto args = find_passdb_args("passdb/0/driver=passwd-file\n"
                                       "passdb/0/args=/etc/users\n"
                                       "passdb/1/driver=proxymap\n"
                                       "passdb/1/deny=no\n",
                                       "proxymap");
    CHECK_TRUE(args == "");
}

TEST(doveconf, args_are_taken_as_they_stand)
{
    const auto args =
        find_passdb_args("passdb/0/driver=proxymap\npassdb/0/args=/etc/a = b/c.conf", "proxymap");
    CHECK_TRUE(args == "/etc/a = b/c.conf");
}

TEST(doveconf, without_a_block_of_the_driver_there_is_nothing)
{
    CHECK_FALSE(find_passdb_args("", "proxymap").has_value());
    CHECK_FALSE(
        find_passdb_args("passdb=0\npassdb/0/driver=pam\npassdb/0/args=proxymap\n", "proxymap")
            .has_value());
}
