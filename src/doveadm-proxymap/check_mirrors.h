// Whether the memcached mirrors can be believed, hold the map, and will go on holding it; and
// whether the clocks of those that take part agree.
#pragma once

#include "check_findings.h"
#include "memcached_text.h"
#include "proxy_reports.h"

#include "core/configuration.h"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace proxymap {

// One mirror, as it was found.
struct Mirror_seen {
    Store_address address;
    std::string unreachable; // why; the rest is empty then
    bool keeps_everything = false;
    Memcached_text::Stats stats;
    std::optional<Marker> marker;
    std::string bad_marker;    // it has one that cannot be read: why
    std::int64_t asked_at = 0; // seconds since 1970, by this host's clock, when it said `time`
};

// Blocks for seconds for one that is down.
Mirror_seen look_at_mirror(const Store_address &address, const Settings &settings);

// newest: that is known, of the table here or of any mirror; none: nothing is.
void check_mirror(const Mirror_seen &mirror, const Configuration &configuration,
                  const std::optional<Position> &newest, Check_findings &findings);

// Clocks that are more than 2 s apart. table_written: when the table's file was written last, by
// its own host's clock, if it lies here.
void check_clocks(const std::vector<Mirror_seen> &mirrors, const std::vector<Proxy_state> &proxies,
                  std::optional<std::int64_t> table_written, std::int64_t now,
                  Check_findings &findings);

} // namespace proxymap
