// What the fleet's login proxies say of themselves in the mirrors (core/proxy_report.h).
//
// MUST: what cannot be believed is no report. That a proxy has followed is never concluded from
// anything else.
#pragma once

#include "core/configuration.h"
#include "core/proxy_report.h"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace proxymap {

struct Proxy_state {
    std::string name;                   // as in the setting `proxies`
    std::optional<Proxy_report> report; // the newest believable one of this table
    std::string why;                    // there is none: why
};

// One for each of the setting `proxies`, in its order. Asks every mirror, and blocks for seconds
// for one that is down. A report of another table is not believed.
std::vector<Proxy_state> read_proxy_reports(const Configuration &configuration,
                                            const Position &table);

// Whether no login of that proxy is answered from older than the position.
bool has_followed(const Proxy_state &proxy, const Position &position);

// What a report means beside the table, in a word for the admin: current, behind, newer (another
// host writes), or silent.
std::string_view proxy_state_word(const Proxy_state &proxy, const Position &table);

// How long ago it was made: in seconds, never negative, as the clocks of two hosts show it.
std::uint64_t report_age(const Proxy_report &report);

// Reads them again and again until all have followed, or until the time is over, in milliseconds.
// The state of each that has not; empty: it is in force on every proxy.
std::vector<Proxy_state> wait_until_in_force(const Configuration &configuration,
                                             const Position &position, std::uint64_t timeout);

} // namespace proxymap
