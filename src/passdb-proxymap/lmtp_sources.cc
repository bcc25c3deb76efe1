// Where mail comes from; see lmtp_sources.h.
#include "lmtp_sources.h"

#include "../core/any_number.h"

#include <algorithm>

namespace proxymap {

Lmtp_sources::Lmtp_sources(const std::vector<Source_pool> &pools,
                           const Source_addresses::Surroundings &surroundings)
    : is_assigned_(surroundings.is_assigned), turn_(any_number())
{
    for (const Source_pool &pool : pools) {
        pools_.push_back(std::make_unique<Source_addresses>(pool, surroundings));
        pools_.back()->update();
    }
}

Result<std::string> Lmtp_sources::choose(const Route &route, std::string_view user)
{
    auto found = std::find_if(pools_.begin(), pools_.end(), [&](const auto &pool) {
        return pool->pool().name == route.source_pool;
    });
    if (found == pools_.end())
        return Error{"there is no source pool " + route.source_pool};
    const std::optional<Ip> backend = parse_ip(route.hostip.empty() ? route.host : route.hostip);
    if (!backend)
        return std::string();
    Source_addresses &pool = **found;
    pool.update();
    const std::vector<Source_candidate> &candidates = pool.candidates();
    const Choose rule =
        pool.pool().choose == Choose::least_used ? Choose::round_robin : pool.pool().choose;
    for (std::size_t tries = 0; tries < candidates.size(); tries++) {
        const int chosen = choose_source(rule, candidates, *backend, user, &turn_);
        if (chosen < 0)
            break;
        const Ip source = candidates[static_cast<std::size_t>(chosen)].ip;
        if (is_assigned_(source))
            return format_ip(source);
        // Nobody will say here that it cannot be bound.
        pool.avoid(source, "it is not one of this host's");
    }
    return Error{pool.why_none(backend->v6)};
}

} // namespace proxymap
