// src/doveadm-proxymap/check_sources.h, kernel_connections.h and backend_targets.h: addresses,
// ports, and where connections go.
#include "doveadm-proxymap/check_sources.h"

#include <CppUTest/TestHarness.h>

using namespace proxymap;

namespace {

Ip ip(const char *text)
{
    return *parse_ip(text);
}

Configuration configuration_of(const std::string &text)
{
    return *complete_configuration(*parse_settings(text, "settings"));
}

Record record(const char *text)
{
    return *parse_record(text, Key_case::lower);
}

const Look_up no_names = [](const std::string &) -> Result<std::vector<Ip>> {
    return Error{"no such name"};
};

} // namespace

TEST_GROUP(check_sources){};

TEST(check_sources, the_kernel_s_table_is_read_for_both_families)
{
    Connection_counts counts;
    add_connections("  sl  local_address rem_address   st tx_queue\n"
                    "   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000\n" // listens
                    "   1: 0100007F:9C40 0200007F:008F 01 00000000:00000000\n"
                    "   2: 0100007F:9C41 0200007F:008F 06 00000000:00000000\n" // TIME_WAIT
                    "   3: nonsense\n",
                    &counts);
    add_connections("   0: 0000000000000000FFFF00000100007F:9C42 "
                    "0000000000000000FFFF00000200007F:008F 01 0:0\n"
                    "   1: 00000000000000000000000001000000:9C42 "
                    "00000000000000000000000001000000:0050 01 0:0\n",
                    &counts);
    CHECK_EQUAL(2, counts.size());
    CHECK_TRUE(3 == counts[(Connection_pair{ip("127.0.0.1"), ip("127.0.0.2"), 143})]);
    CHECK_TRUE(1 == counts[(Connection_pair{ip("::1"), ip("::1"), 80})]);
}

TEST(check_sources, a_range_of_ports_is_counted_with_both_ends)
{
    CHECK_TRUE(28232 == parse_port_range("32768\t60999\n"));
    CHECK_TRUE(1 == parse_port_range("40000 40000"));
    for (const char *text : {"", "1", "2 1", "a b", "1 70000"})
        CHECK_TRUE(0 == parse_port_range(text));
}

TEST(check_sources, addresses_of_a_pool_that_are_not_here_are_named_unless_they_are_optional)
{
    const Configuration configuration =
        configuration_of("source_pool out {\n  addresses = 192.0.2.1 192.0.2.2 ?192.0.2.3 name\n}\n"
                         "source_pool none {\n  addresses = ?192.0.2.3\n}\n");
    const auto is_here = [](const Ip &one) { return one == ip("192.0.2.1"); };
    std::vector<Pool_seen> pools;
    for (const Source_pool &pool : configuration.settings.source_pools)
        pools.push_back(look_at_pool(pool, no_names, is_here));
    CHECK_EQUAL(1, pools[0].usable.size());
    Check_findings findings;
    check_pools(pools, findings);
    const std::vector<Check_finding> found = findings.sorted();
    CHECK_EQUAL(3, found.size());
    CHECK_TRUE(found[0].finding.starts_with("192.0.2.2 is not an address of this host"));
    CHECK_TRUE(found[1].finding.starts_with("name cannot be looked up: no such name"));
    CHECK_TRUE("source_pool none" == found[2].subject);
}

TEST(check_sources, targets_are_what_the_routes_of_each_service_say)
{
    const Configuration configuration =
        configuration_of("default_source_pool = out\n"
                         "source_pool out {\n  addresses = 127.0.0.1\n}\n");
    const std::vector<Backend_target> targets = find_backend_targets(
        {record("backend b1 host=b1.test hostip=127.0.0.2 tls=starttls port.pop3=1110"),
         record("backend b2 host=127.0.0.3 tls=ssl state=down state.imap=up"),
         record("backend b3 host=127.0.0.4 tls_policy=unknown state.pop3=down")},
        {Service::imap, Service::pop3}, configuration, true);
    CHECK_EQUAL(4, targets.size());
    CHECK_TRUE("backend b1 imap" == targets[0].label());
    CHECK_TRUE("b1.test" == targets[0].host && "127.0.0.2" == targets[0].address);
    CHECK_TRUE(143 == targets[0].port && Target_tls::starttls == targets[0].tls);
    CHECK_TRUE("out" == targets[0].pool);
    CHECK_TRUE(1110 == targets[1].port);
    CHECK_TRUE(993 == targets[2].port && Target_tls::at_once == targets[2].tls);
    CHECK_TRUE(targets[3].refused.find("unknown") != std::string::npos);
}

TEST(check_sources, ports_are_warned_of_at_80_percent_of_all_addresses_of_a_pool)
{
    Backend_target target;
    target.backend = "b1";
    target.address = "127.0.0.2";
    target.port = 143;
    target.pool = "out";
    const std::vector<Pool_seen> pools = {{"out", {ip("127.0.1.1"), ip("127.0.1.2")}, {}}};
    const auto find = [&](std::uint64_t first, std::uint64_t second) {
        Check_findings findings;
        check_ports({target}, pools,
                    {{{ip("127.0.1.1"), ip("127.0.0.2"), 143}, first},
                     {{ip("127.0.1.2"), ip("127.0.0.2"), 143}, second},
                     {{ip("127.0.1.2"), ip("127.0.0.2"), 144}, 1000}},
                    10, no_names, findings);
        return findings;
    };
    CHECK_TRUE(find(10, 5).sorted().empty());
    CHECK_TRUE(find(10, 6).has(Severity::warning));
    CHECK_TRUE(find(10, 10).has(Severity::error));
    target.pool.clear();
    CHECK_TRUE(find(7, 7).sorted().empty());
    CHECK_TRUE("address 127.0.1.1" == find(8, 7).sorted().front().subject);
}
