// Where mail comes from: LMTP has no login process, so the passdb itself says source_ip for it.
//
// Sees no connection fail or end: so it counts none, and least-used takes turns here; and it gives
// only addresses that this host has, as if each had a `?`.
#pragma once

#include "../core/resolver.h"
#include "../core/result.h"
#include "../core/route.h"
#include "../core/source_addresses.h"
#include "../core/source_pool.h"

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace proxymap {

class Lmtp_sources {
  public:
    // pools: those of Settings, and outlive this; so does the resolver. Begins to look up their
    // names at once, so that mail need not wait for them.
    Lmtp_sources(const std::vector<Source_pool> &pools,
                 const Source_addresses::Surroundings &surroundings);

    // source_ip for a route that has a source_pool. Empty: the route names its host, so that its
    // family is not known here, and Dovecot chooses. Error: a sentence, for a temporary failure.
    Result<std::string> choose(const Route &route, std::string_view user);

  private:
    std::function<bool(const Ip &)> is_assigned_;
    std::vector<std::unique_ptr<Source_addresses>> pools_;
    std::uint64_t turn_;
};

} // namespace proxymap
