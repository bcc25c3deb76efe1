// What a Dovecot's stats process has counted of our events (docs/OPERATIONS.md has the `metric { }`
// blocks): those metrics whose names begin with "proxymap".
#pragma once

#include "proxy_sessions.h"

#include "core/result.h"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace proxymap {

// A metric, or one of the groups that it is divided into, as stats names them:
// proxymap_lookups_cache_found_hit.
struct Counter {
    std::string metric;
    std::uint32_t count = 0;  // events since the stats process started
    std::string average_usec; // of the metric's first field that ends in "_usecs"; empty: none
};

// A line of the answer, without its end. Nothing: a metric that is not ours.
Result<std::optional<Counter>> parse_counter(std::string_view line);

// path: of this host's stats-reader socket. Blocks, for fifteen seconds at the most. A Dovecot that
// counts nothing of ours has no counters; that is no error.
Result<std::vector<Counter>> read_counters(const std::string &path);

// The same from a proxy, by its doveadm-server and `proxymap counters`.
Result<std::vector<Counter>> counters_of(const Proxy &proxy, const Doveadm_access &access);

} // namespace proxymap
