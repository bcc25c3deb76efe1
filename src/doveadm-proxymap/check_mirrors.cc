#include "check_mirrors.h"

#include "mirror_reading.h"
#include "mirror_state.h"

#include "core/ip.h"

#include <charconv>
#include <ctime>

namespace proxymap {

namespace {

constexpr std::int64_t max_apart = 2;      // seconds
constexpr std::uint64_t full_percent = 80; // of a mirror's memory
constexpr std::uint32_t timeout_ms = 3000;

std::optional<std::int64_t> number_of(const Memcached_text::Stats &stats, std::string_view name)
{
    const auto it = stats.find(name);
    std::int64_t number = 0;
    if (it == stats.end() ||
        std::from_chars(it->second.data(), it->second.data() + it->second.size(), number).ec !=
            std::errc())
        return std::nullopt;
    return number;
}

// Only this host's processes can write to it.
bool is_private(const Store_address &address)
{
    if (!address.path.empty() || address.host == "localhost")
        return true;
    const std::optional<Ip> ip = parse_ip(address.host);
    return ip && (ip->v6 ? format_ip(*ip) == "::1" : ip->bytes[0] == 127);
}

void check_memory(const Mirror_seen &mirror, const std::string &subject, Check_findings &findings)
{
    if (!mirror.keeps_everything)
        findings.warning(subject,
                         "it may drop records to make room (no -M): so what it has not proves "
                         "nothing, and a user without a record gets a temporary failure",
                         "start memcached with -M");
    const std::int64_t evictions = number_of(mirror.stats, "evictions").value_or(0);
    if (evictions > 0)
        findings.error(subject,
                       "it has dropped " + std::to_string(evictions) +
                           " items to make room (evictions): records are missing",
                       "give memcached more memory (-m) and -M, start it again, and run doveadm "
                       "proxymap sync");
    const std::int64_t used = number_of(mirror.stats, "bytes").value_or(0);
    const std::int64_t limit = number_of(mirror.stats, "limit_maxbytes").value_or(0);
    if (limit > 0 &&
        static_cast<std::uint64_t>(used) * 100 / static_cast<std::uint64_t>(limit) >= full_percent)
        findings.warning(subject,
                         std::to_string(used >> 20U) + " MB of its " +
                             std::to_string(limit >> 20U) +
                             " MB are in use; a replacement of the map needs room beside the old "
                             "one",
                         "give memcached more memory (-m): twice the map at least");
}

void check_content(const Mirror_seen &mirror, const std::string &subject,
                   const std::optional<Position> &newest, Check_findings &findings)
{
    const std::string sync = "run doveadm proxymap sync on the host of the table";
    if (!mirror.bad_marker.empty()) {
        findings.error(subject, mirror.bad_marker, sync);
        return;
    }
    if (!mirror.marker) {
        findings.error(subject, "it holds no map: there is no marker in it", sync);
        return;
    }
    if (mirror.marker->state == Mirror_state::loading) {
        findings.warning(subject, "it is being filled, or its filling was broken off", sync);
        return;
    }
    if (!newest)
        return;
    const std::string_view state = mirror_state(mirror.marker, *newest);
    if (state == "another table")
        findings.error(subject,
                       "it holds another table (" + format_position(mirror.marker->position) +
                           "; here it is " + format_position(*newest) + ")",
                       "see that every host and mirror is of one fleet, or use another namespace");
    else if (state == "newer")
        findings.error(subject,
                       "it is at " + format_position(mirror.marker->position) +
                           ", newer than the table of this host (" + format_position(*newest) +
                           "): another host writes",
                       "let this host follow that one (doveadm proxymap follow), or promote it");
    else if (state == "behind")
        findings.warning(subject,
                         "it is behind: it is at " + format_position(mirror.marker->position) +
                             ", the table at " + format_position(*newest) +
                             "; proxies do not read it",
                         sync);
}

std::string apart(std::int64_t seconds)
{
    return std::to_string(seconds < 0 ? -seconds : seconds) + " s " +
           (seconds < 0 ? "behind" : "ahead of") + " this host's";
}

constexpr const char *mend_clock =
    "let NTP set the clocks; delay_until, the validity of certificates and CRLs, the age of "
    "proxies' reports and of a replica go by them";

} // namespace

Mirror_seen look_at_mirror(const Store_address &address, const Settings &settings)
{
    Mirror_seen seen{address, {}, false, {}, {}, {}, 0};
    const auto server = Memcached_text::connect(address);
    Result<Memcached_text::Stats> stats = Error{};
    if (server)
        stats = (*server)->stats();
    if (!server || !stats) {
        seen.unreachable = !server ? server.error().message : stats.error().message;
        return seen;
    }
    seen.asked_at = std::time(nullptr);
    seen.stats = std::move(*stats);
    const auto reading = Mirror_reading::connect(address, settings.name_space, timeout_ms);
    if (!reading) {
        seen.unreachable = reading.error().message;
        return seen;
    }
    seen.keeps_everything = (*reading)->keeps_everything();
    if (const Result<std::optional<Marker>> marker = (*reading)->marker(); marker)
        seen.marker = *marker;
    else
        seen.bad_marker = marker.error().message;
    return seen;
}

void check_mirror(const Mirror_seen &mirror, const Configuration &configuration,
                  const std::optional<Position> &newest, Check_findings &findings)
{
    const std::string subject = "mirror " + mirror.address.text();
    const Settings &settings = configuration.settings;
    if (!is_private(mirror.address) && (!settings.require_seal || configuration.seal_keys.empty()))
        findings.warning(subject,
                         "its records are not sealed, and it is not on this host: whoever can "
                         "write to it decides where passwords go",
                         "set seal_keys_file and require_seal = yes (doveadm-proxymap(1), seals), "
                         "or use a unix socket");
    if (!mirror.unreachable.empty()) {
        findings.error(subject, "it cannot be reached: " + mirror.unreachable,
                       "start it, or take it out of stores");
        return;
    }
    check_memory(mirror, subject, findings);
    check_content(mirror, subject, newest, findings);
}

void check_clocks(const std::vector<Mirror_seen> &mirrors, const std::vector<Proxy_state> &proxies,
                  std::optional<std::int64_t> table_written, std::int64_t now,
                  Check_findings &findings)
{
    for (const Mirror_seen &mirror : mirrors) {
        const std::optional<std::int64_t> time = number_of(mirror.stats, "time");
        const std::int64_t difference = time ? *time - mirror.asked_at : 0;
        if (difference > max_apart || difference < -max_apart)
            findings.warning("clock of mirror " + mirror.address.text(),
                             "it is " + apart(difference), mend_clock);
    }
    // That a report is old proves nothing: the proxy may be down.
    for (const Proxy_state &proxy : proxies) {
        const std::int64_t difference =
            proxy.report ? static_cast<std::int64_t>(proxy.report->at) - now : 0;
        if (difference > max_apart)
            findings.warning("clock of proxy " + proxy.name, "it is " + apart(difference),
                             mend_clock);
    }
    if (table_written && *table_written - now > max_apart)
        findings.warning("clock of this host",
                         "the table was written " + std::to_string(*table_written - now) +
                             " s after the time that it shows now: it has been set back",
                         mend_clock);
}

} // namespace proxymap
