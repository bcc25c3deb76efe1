// src/doveadm-proxymap/stats_counters.cc: what Dovecot's stats and a proxy's doveadm say was
// counted.
#include "doveadm-proxymap/stats_counters.h"

#include "fake_doveadm.h"

#include <CppUTest/TestHarness.h>

using namespace proxymap;

TEST_GROUP(stats_counters){
    static std::vector<Counter> told_by_proxy(const std::vector<std::string> &values){
        const Fake_doveadm server([&](const std::vector<std::string> &words) {
            STRCMP_EQUAL("proxymap counters", words.at(2).c_str());
            return Fake_doveadm::whole(values);
        });
const auto counters = counters_of({"p1", {{}, 0, server.path()}}, {});
return counters ? *counters : std::vector<Counter>{{"refused", 0, counters.error().message}};
}
}
;

TEST(stats_counters, a_metric_has_a_count_and_the_average_of_its_first_field_in_microseconds)
{
    const auto counter = parse_counter("proxymap_lookups_cache\t7\t12.50\ttried\t7\t0.00\t"
                                       "lookup_usecs\t7\t31.25\tother_usecs\t7\t9.00");
    CHECK(counter && *counter);
    STRCMP_EQUAL("proxymap_lookups_cache", (*counter)->metric.c_str());
    LONGS_EQUAL(7, (*counter)->count);
    STRCMP_EQUAL("31.25", (*counter)->average_usec.c_str());
}

TEST(stats_counters, a_metric_without_such_a_field_has_no_average)
{
    const auto counter = parse_counter("proxymap_refused\t3\t12.50");
    CHECK(counter && *counter);
    LONGS_EQUAL(3, (*counter)->count);
    CHECK((*counter)->average_usec.empty());
}

TEST(stats_counters, other_metrics_are_passed_over)
{
    const auto counter = parse_counter("imap_commands\tanything");
    CHECK(counter && !*counter);
}

TEST(stats_counters, what_is_no_metric_is_an_error)
{
    for (const char *line : {"proxymap", "proxymap_a\t1", "proxymap_a\tx\t1.00",
                             "proxymap_a\t\t1.00", "proxymap_a\t-1\t1.00",
                             "proxymap_a\t4294967296\t1.00", "proxymap_a\t1\t1.00\tfield_usecs\t1"})
        CHECK_FALSE(parse_counter(line));
}

TEST(stats_counters, a_proxy_tells_of_its_own)
{
    const auto counters = told_by_proxy({"proxymap_a", "5", "", "proxymap_b", "6", "2.00"});
    LONGS_EQUAL(2, counters.size());
    STRCMP_EQUAL("proxymap_b", counters[1].metric.c_str());
    LONGS_EQUAL(6, counters[1].count);
    STRCMP_EQUAL("2.00", counters[1].average_usec.c_str());
    CHECK(told_by_proxy({}).empty());
}

TEST(stats_counters, an_answer_of_a_proxy_that_is_not_whole_is_an_error)
{
    STRCMP_EQUAL("refused", told_by_proxy({"proxymap_a", "5"})[0].metric.c_str());
    STRCMP_EQUAL("refused", told_by_proxy({"proxymap_a", "five", ""})[0].metric.c_str());
}
