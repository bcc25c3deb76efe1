// See proxy_reports.h.
#include "proxy_reports.h"

#include "mirror_reading.h"
#include "waiting.h"

#include <algorithm>
#include <ctime>

namespace proxymap {

namespace {

void take_newer(std::optional<Proxy_report> &known, Proxy_report &&report)
{
    const bool newer = !known || known->position.older_than(report.position) ||
                       (known->position == report.position && known->at < report.at);
    if (newer)
        known = std::move(report);
}

void read_mirror(const Configuration &configuration, const Store_address &address,
                 const Position &table, const std::vector<std::string> &keys,
                 std::vector<Proxy_state> &proxies)
{
    const auto tell_all = [&](const std::string &why) {
        for (Proxy_state &proxy : proxies)
            proxy.why = why;
    };
    const auto reading = Mirror_reading::connect(address, configuration.settings.name_space);
    if (!reading)
        return tell_all(reading.error().message);
    const auto items = (*reading)->get(keys);
    if (!items)
        return tell_all(items.error().message);
    for (std::size_t i = 0; i < proxies.size(); ++i) {
        Proxy_state &proxy = proxies[i];
        if (!(*items)[i])
            continue;
        Result<Proxy_report> report =
            parse_proxy_report((*items)[i]->value, configuration.settings.name_space, proxy.name,
                               configuration.seal_keys);
        if (!report)
            proxy.why = address.text() + ": " + keys[i] + ": " + report.error().message;
        else if (report->position.table != table.table)
            proxy.why = address.text() + ": its report is of another table";
        else
            take_newer(proxy.report, std::move(*report));
    }
}

} // namespace

std::vector<Proxy_state> read_proxy_reports(const Configuration &configuration,
                                            const Position &table)
{
    const Settings &settings = configuration.settings;
    std::vector<Proxy_state> proxies;
    std::vector<std::string> keys;
    for (const Proxy_address &proxy : settings.proxies) {
        proxies.push_back({proxy.name, {}, "no mirror has a report of it"});
        keys.push_back(proxy_report_key(settings.name_space, proxy.name));
    }
    if (proxies.empty())
        return proxies;
    for (const Store_address &address : settings.stores) {
        if (address.type == Store_address::Type::memcached)
            read_mirror(configuration, address, table, keys, proxies);
    }
    return proxies;
}

bool has_followed(const Proxy_state &proxy, const Position &position)
{
    return proxy.report && proxy.report->position.table == position.table &&
           !proxy.report->position.older_than(position);
}

std::string_view proxy_state_word(const Proxy_state &proxy, const Position &table)
{
    if (!proxy.report)
        return "silent";
    if (!has_followed(proxy, table))
        return "behind";
    return proxy.report->position == table ? "current" : "newer";
}

std::uint64_t report_age(const Proxy_report &report)
{
    const auto now = static_cast<std::uint64_t>(std::time(nullptr));
    return now > report.at ? now - report.at : 0;
}

std::vector<Proxy_state> wait_until_in_force(const Configuration &configuration,
                                             const Position &position, std::uint64_t timeout)
{
    Waiting waiting(timeout);
    for (;;) {
        std::vector<Proxy_state> missing = read_proxy_reports(configuration, position);
        std::erase_if(missing,
                      [&](const Proxy_state &proxy) { return has_followed(proxy, position); });
        if (missing.empty())
            return missing;
        std::string names;
        for (const Proxy_state &proxy : missing)
            names += " " + proxy.name;
        if (!waiting.pause("in force on all proxies but" + names))
            return missing;
    }
}

} // namespace proxymap
