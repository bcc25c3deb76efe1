// Chooses the source address of a connection and counts it; see sources.h.
//
// A login waits for take(): at most 2 us for a pool of 1,000 addresses. What it looks at was
// prepared before, and nothing is allocated unless an address has just failed this login.
#include "sources.h"

#include "../core/any_number.h"
#include "../core/assigned_here.h"
#include "../core/clock.h"
#include "../core/text.h"
#include "source_family.h"

#include <algorithm>
#include <optional>
#include <utility>

namespace proxymap {

struct Sources::Pool {
    const Source_pool *settings;
    std::unique_ptr<Source_addresses> addresses; // from its first use on
    std::optional<Source_family> v4;
    std::optional<Source_family> v6;
    std::uint64_t prepared = 0; // the changes() that they are of
};

Sources::Sources(const std::vector<Source_pool> &pools, std::shared_ptr<Usage_counts> counts,
                 Surroundings surroundings)
    : counts_(std::move(counts)), surroundings_(std::move(surroundings)), turn_(any_number())
{
    if (counts_ == nullptr && !pools.empty())
        counts_ = Usage_counts::private_counts();
    if (!surroundings_.is_assigned)
        surroundings_.is_assigned = [here = std::make_shared<Assigned_here>()](const Ip &ip) {
            return (*here)(ip);
        };
    if (!surroundings_.now)
        surroundings_.now = monotonic_ms;
    pools_.reserve(pools.size());
    for (const Source_pool &pool : pools)
        pools_.push_back({&pool, nullptr, {}, {}, 0});
}

Sources::~Sources() = default;

Sources::Pool *Sources::find(std::string_view name)
{
    const auto found = std::find_if(pools_.begin(), pools_.end(), [name](const Pool &pool) {
        return pool.settings->name == name;
    });
    return found == pools_.end() ? nullptr : &*found;
}

Source_addresses &Sources::addresses_of(Pool &pool)
{
    if (pool.addresses == nullptr)
        pool.addresses = std::make_unique<Source_addresses>(
            *pool.settings,
            Source_addresses::Surroundings{surroundings_.resolver, surroundings_.is_assigned,
                                           surroundings_.now, surroundings_.warn});
    return *pool.addresses;
}

std::unique_ptr<Sources::Wait> Sources::wait(std::string_view pool, std::function<void()> callback)
{
    Pool *const found = find(pool);
    if (found == nullptr)
        return nullptr;
    Source_addresses &addresses = addresses_of(*found);
    addresses.update();
    return addresses.ready() ? nullptr : addresses.wait(std::move(callback));
}

Result<Source_lease> Sources::take(std::string_view name, const Ip &destination, std::uint16_t port,
                                   std::string_view user, const std::vector<Ip> &tried)
{
    Pool *const pool = find(name);
    if (pool == nullptr)
        return Error{"there is no source_pool " + quote(name) + " in the settings of this host"};
    Source_addresses &addresses = addresses_of(*pool);
    const std::uint64_t now = addresses.update();
    if (pool->prepared != addresses.changes()) {
        pool->v4.reset();
        pool->v6.reset();
        pool->prepared = addresses.changes();
    }
    const std::vector<Source_candidate> &candidates = addresses.candidates();
    std::optional<Source_family> &prepared = destination.v6 ? pool->v6 : pool->v4;
    if (!prepared)
        prepared.emplace(candidates, destination.v6, std::vector<Ip>(), *counts_);
    if (prepared->empty())
        return Error{addresses.why_none(destination.v6)};
    if (tried.empty())
        return choose(*prepared, *pool, destination, port, user, now);

    Source_family others(candidates, destination.v6, tried, *counts_);
    if (others.empty())
        return Error{"no connection can come from any " +
                     std::string(destination.v6 ? "IPv6" : "IPv4") + " address of source pool " +
                     quote(name) + ": each was tried"};
    return choose(others, *pool, destination, port, user, now);
}

Source_lease Sources::choose(Source_family &family, const Pool &pool, const Ip &destination,
                             std::uint16_t port, std::string_view user, std::uint64_t now)
{
    const Usage_counts::Row row = family.row(*counts_, destination, port, now);
    const std::size_t i = family.choose(pool.settings->choose, row, destination, user, &turn_);
    const std::uint32_t used = row.used(i);
    return Source_lease(family.ip(i), used, counts_->count(row, i));
}

void Sources::failed(std::string_view pool, const Ip &ip, std::string_view reason)
{
    if (Pool *const found = find(pool); found != nullptr)
        addresses_of(*found).avoid(ip, reason);
}

} // namespace proxymap
