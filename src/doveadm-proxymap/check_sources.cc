#include "check_sources.h"

#include "login-proxy-ext/usage_counts.h"

#include <algorithm>
#include <netdb.h>
#include <netinet/in.h>
#include <set>

namespace proxymap {

namespace {

constexpr std::uint64_t busy_percent = 80;

// The addresses that the target is connected to.
std::vector<Ip> addresses_of(const Backend_target &target, const Look_up &look_up)
{
    if (const std::optional<Ip> ip = parse_ip(target.address))
        return {*ip};
    const Result<std::vector<Ip>> found = look_up(target.address);
    return found ? *found : std::vector<Ip>();
}

struct Destination {
    Ip ip;
    std::uint16_t port;
    std::string pool;
    auto operator<=>(const Destination &) const = default;
};

std::set<Destination> destinations_of(const std::vector<Backend_target> &targets,
                                      const Look_up &look_up)
{
    std::set<Destination> destinations;
    for (const Backend_target &target : targets) {
        if (!target.refused.empty())
            continue;
        for (const Ip &ip : addresses_of(target, look_up))
            destinations.insert({ip, target.port, target.pool});
    }
    return destinations;
}

void check_share(std::uint64_t used, std::uint64_t all, const std::string &subject,
                 const std::string &to, Check_findings &findings)
{
    if (all == 0 || used * 100 < all * busy_percent)
        return;
    const std::string sentence = std::to_string(used) + " of " + std::to_string(all) +
                                 " ports for connections to " + to + " are in use (" +
                                 std::to_string(used * 100 / all) + " %)";
    const std::string advice = "add addresses to the source pool, or widen "
                               "net.ipv4.ip_local_port_range";
    if (used >= all)
        findings.error(subject, sentence + ": logins there fail", advice);
    else
        findings.warning(subject, sentence, advice);
}

} // namespace

Result<std::vector<Ip>> look_up_name(const std::string &name)
{
    addrinfo hints{};
    hints.ai_socktype = SOCK_STREAM;
    addrinfo *list = nullptr;
    if (const int error = getaddrinfo(name.c_str(), nullptr, &hints, &list); error != 0)
        return Error{gai_strerror(error)};
    std::vector<Ip> found;
    for (const addrinfo *one = list; one != nullptr; one = one->ai_next) {
        char text[NI_MAXHOST];
        if (getnameinfo(one->ai_addr, one->ai_addrlen, text, sizeof(text), nullptr, 0,
                        NI_NUMERICHOST) != 0)
            continue;
        if (const std::optional<Ip> ip = parse_ip(text))
            found.push_back(*ip);
    }
    freeaddrinfo(list);
    return found;
}

Pool_seen look_at_pool(const Source_pool &pool, const Look_up &look_up,
                       const std::function<bool(const Ip &)> &is_assigned)
{
    Pool_seen seen{pool.name, {}, {}};
    for (const Source_word &word : pool.words) {
        const Result<std::vector<Ip>> addresses =
            word.ip ? std::vector<Ip>{*word.ip} : look_up(word.text);
        if (!addresses || addresses->empty()) {
            seen.bad.push_back(
                {word.text,
                 addresses ? "has no address" : "cannot be looked up: " + addresses.error().message,
                 word.only_assigned});
            continue;
        }
        for (const Ip &ip : *addresses) {
            const std::string what = word.ip ? "" : "means " + format_ip(ip) + ", which ";
            if (!why_no_source(ip).empty())
                seen.bad.push_back(
                    {word.text, what + std::string(why_no_source(ip)), word.only_assigned});
            else if (!is_assigned(ip))
                seen.bad.push_back(
                    {word.text, what + "is not an address of this host", word.only_assigned});
            else if (std::find(seen.usable.begin(), seen.usable.end(), ip) == seen.usable.end())
                seen.usable.push_back(ip);
        }
    }
    return seen;
}

void check_pools(const std::vector<Pool_seen> &pools, Check_findings &findings)
{
    for (const Pool_seen &pool : pools) {
        const std::string subject = "source_pool " + pool.name;
        for (const Pool_seen::Bad &bad : pool.bad) {
            if (!bad.is_optional)
                findings.error(subject, bad.word + " " + bad.why,
                               "give the address to an interface of this host, or write ?" +
                                   bad.word + " where only some hosts have it");
        }
        if (pool.usable.empty())
            findings.error(subject,
                           "none of its addresses is this host's: logins with this pool fail",
                           "give this host one of them");
    }
}

void check_ports(const std::vector<Backend_target> &targets, const std::vector<Pool_seen> &pools,
                 const Connection_counts &counts, std::uint64_t ports, const Look_up &look_up,
                 Check_findings &findings)
{
    for (const Destination &to : destinations_of(targets, look_up)) {
        const auto pool = std::find_if(pools.begin(), pools.end(),
                                       [&](const Pool_seen &seen) { return seen.name == to.pool; });
        std::uint64_t used = 0; // of the pool
        std::uint64_t addresses = 0;
        if (pool != pools.end()) {
            for (const Ip &from : pool->usable) {
                if (from.v6 != to.ip.v6)
                    continue;
                addresses++;
                const auto count = counts.find({from, to.ip, to.port});
                used += count == counts.end() ? 0 : count->second;
            }
            check_share(used, addresses * ports, "source_pool " + pool->name,
                        format_host_port(format_ip(to.ip), to.port), findings);
            continue;
        }
        // Without a pool the kernel chooses the address, as a rule always the same.
        for (const auto &[pair, count] : counts) {
            if (pair.to == to.ip && pair.port == to.port)
                check_share(count, ports, "address " + format_ip(pair.from),
                            format_host_port(format_ip(to.ip), to.port), findings);
        }
    }
}

void add_usage(const std::string &base_dir, const std::vector<Backend_target> &targets,
               const std::vector<Pool_seen> &pools, const Look_up &look_up,
               Connection_counts *counts)
{
    const std::string path = base_dir + "/proxymap-sources";
    const Result<Usage_view> usage = Usage_view::open(path);
    if (!usage)
        return; // no login process has made one yet
    for (const Destination &to : destinations_of(targets, look_up)) {
        const auto pool = std::find_if(pools.begin(), pools.end(),
                                       [&](const Pool_seen &seen) { return seen.name == to.pool; });
        if (pool == pools.end())
            continue;
        for (const Ip &from : pool->usable) {
            const std::uint64_t used = usage->used(from, to.ip, to.port);
            std::uint64_t &count = (*counts)[{from, to.ip, to.port}];
            count = std::max(count, used);
        }
    }
}

} // namespace proxymap
