// src/doveadm-proxymap/check_mirrors.h: what a mirror's counters, marker and clock mean.
#include "doveadm-proxymap/check_mirrors.h"

#include <CppUTest/TestHarness.h>

using namespace proxymap;

namespace {

const Position position{0xab, 1, 7};

Mirror_seen healthy(const std::string &address = "memcached:127.0.0.1:11211")
{
    Mirror_seen seen{*parse_store_address(address), {}, true, {}, {}, {}, 1000};
    seen.stats = {{"bytes", "10"}, {"limit_maxbytes", "100"}, {"evictions", "0"}, {"time", "1001"}};
    seen.marker = Marker{position, Mirror_state::complete};
    return seen;
}

std::vector<Check_finding> find(const Mirror_seen &seen, const std::optional<Position> &newest,
                                const Configuration &configuration = {})
{
    Check_findings findings;
    check_mirror(seen, configuration, newest, findings);
    return findings.sorted();
}

bool says(const std::vector<Check_finding> &found, Severity severity, std::string_view part)
{
    return found.size() == 1 && found.front().severity == severity &&
           found.front().finding.find(part) != std::string::npos;
}

} // namespace

TEST_GROUP(check_mirrors){};

TEST(check_mirrors, a_healthy_one_gives_no_finding)
{
    CHECK_TRUE(find(healthy(), position).empty());
    CHECK_TRUE(find(healthy("memcached:/run/memcached.sock"), position).empty());
    CHECK_TRUE(find(healthy("memcached:[::1]:11211"), position).empty());
}

TEST(check_mirrors, one_on_another_host_must_be_sealed)
{
    CHECK_TRUE(says(find(healthy("memcached:192.0.2.1:11211"), position), Severity::warning,
                    "not sealed"));
    Configuration sealed;
    sealed.settings.require_seal = true;
    sealed.seal_keys = *parse_seal_keys("current = k\nseal_key k {\n key = "
                                        "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n}\n",
                                        "keys");
    CHECK_TRUE(find(healthy("memcached:192.0.2.1:11211"), position, sealed).empty());
}

TEST(check_mirrors, whatever_keeps_it_from_proving_a_miss_is_named)
{
    Mirror_seen seen = healthy();
    seen.unreachable = "connecting: Connection refused";
    CHECK_TRUE(says(find(seen, position), Severity::error, "Connection refused"));
    seen = healthy();
    seen.keeps_everything = false;
    CHECK_TRUE(says(find(seen, position), Severity::warning, "-M"));
    seen = healthy();
    seen.stats["evictions"] = "3";
    CHECK_TRUE(says(find(seen, position), Severity::error, "dropped 3 items"));
    seen = healthy();
    seen.stats["bytes"] = "80";
    CHECK_TRUE(says(find(seen, position), Severity::warning, "in use"));
    seen = healthy();
    seen.marker.reset();
    CHECK_TRUE(says(find(seen, position), Severity::error, "no map"));
    seen.bad_marker = "pm:marker is not a marker";
    CHECK_TRUE(says(find(seen, position), Severity::error, "is not a marker"));
    seen = healthy();
    seen.marker->state = Mirror_state::loading;
    CHECK_TRUE(says(find(seen, position), Severity::warning, "being filled"));
}

TEST(check_mirrors, its_position_is_compared_with_the_newest)
{
    CHECK_TRUE(says(find(healthy(), Position{0xab, 1, 8}), Severity::warning, "behind"));
    CHECK_TRUE(says(find(healthy(), Position{0xab, 1, 6}), Severity::error, "newer"));
    CHECK_TRUE(says(find(healthy(), Position{0xac, 1, 7}), Severity::error, "another table"));
    CHECK_TRUE(find(healthy(), std::nullopt).empty());
}

TEST(check_mirrors, clocks_more_than_two_seconds_apart_are_named)
{
    const auto count = [](const char *time, std::uint64_t report, std::int64_t written) {
        Mirror_seen seen = healthy();
        seen.stats["time"] = time;
        Proxy_state proxy{"p1", Proxy_report{}, ""};
        proxy.report->at = report;
        Check_findings findings;
        check_clocks({seen}, {proxy, {"p2", std::nullopt, "silent"}}, written, 1000, findings);
        return findings.sorted().size();
    };
    CHECK_EQUAL(0, count("1002", 1002, 1002));
    CHECK_EQUAL(0, count("998", 0, 0)); // a report that is old proves nothing
    CHECK_EQUAL(1, count("1003", 1000, 1000));
    CHECK_EQUAL(1, count("997", 1000, 1000));
    CHECK_EQUAL(1, count("1000", 1003, 1000));
    CHECK_EQUAL(1, count("1000", 1000, 1003));
}
