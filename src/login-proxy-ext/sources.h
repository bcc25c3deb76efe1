// Source addresses for the connections of one login process: the pools of the settings, what their
// names mean now, and how often each address is used on this host.
//
// Never blocks, and never gives an address that is not in the pool or not of the destination's
// family: whatever stands in the shared counts.
#pragma once

#include "../core/result.h"
#include "../core/source_addresses.h"
#include "../core/source_pool.h"
#include "usage_counts.h"

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace proxymap {

// The source address of one connection, counted as used until this is destroyed. Movable; may
// outlive Sources. An empty one (default, moved from, released) counts nothing.
class Source_lease {
  public:
    Source_lease() = default;
    Source_lease(const Ip &ip, std::uint32_t used, Usage_counts::Lease count)
        : ip_(ip), used_(used), count_(std::move(count))
    {
    }

    const Ip &ip() const { return ip_; }
    // How many connections from it to this destination the host had before this one, for
    // events and the log.
    std::uint32_t used() const { return used_; }
    // Gives the address back before the destructor does.
    void release() { count_.release(); }

  private:
    Ip ip_;
    std::uint32_t used_ = 0;
    Usage_counts::Lease count_;
};

class Source_family;

class Sources {
  public:
    struct Surroundings {
        Resolver *resolver = nullptr;                  // outlives Sources; for pools with names
        std::function<bool(const Ip &)> is_assigned;   // empty: asks the kernel (Assigned_here)
        std::function<std::uint64_t()> now;            // CLOCK_MONOTONIC, ms; empty: that clock
        std::function<void(const std::string &)> warn; // a line for the log, rate-limited here
    };

    // pools: those of the settings, which outlive this. counts: from Usage_counts::open(), in init
    // as root; null: this process counts for itself. A pool costs nothing before its first use:
    // with service_count = 1 this runs for every login.
    Sources(const std::vector<Source_pool> &pools, std::shared_ptr<Usage_counts> counts,
            Surroundings surroundings);
    ~Sources();
    Sources(const Sources &) = delete;
    Sources &operator=(const Sources &) = delete;

    // Begins the look-ups of the pool that are due. Nothing: take() can be called now, as it always
    // can for a pool of written-out addresses. Else its names were never looked up in this process,
    // or so long ago that they should not be used, and the callback comes once, from the event
    // loop, when take() can be called; destroying the result ends the wait. It takes as long as
    // the look-ups, and the resolver has a time limit. take() without waiting is allowed: it
    // chooses among the addresses that are known.
    using Wait = Source_addresses::Wait;
    std::unique_ptr<Wait> wait(std::string_view pool, std::function<void()> callback);

    // The address that the next connection to destination:port comes from, counted until the lease
    // ends. Leaves out `tried`: those that this login could not bind. Error: a sentence for the
    // log that says why there is none (unknown pool, no address of the family, all were tried).
    Result<Source_lease> take(std::string_view pool, const Ip &destination, std::uint16_t port,
                              std::string_view user, const std::vector<Ip> &tried);

    // A connection from it could not be bound: this process passes it over for the pool's
    // avoid_for, and logs that (once a minute). reason: for the log. The lease goes on.
    void failed(std::string_view pool, const Ip &ip, std::string_view reason = {});

  private:
    struct Pool;
    Pool *find(std::string_view name);
    Source_addresses &addresses_of(Pool &pool);
    Source_lease choose(Source_family &family, const Pool &pool, const Ip &destination,
                        std::uint16_t port, std::string_view user, std::uint64_t now);

    std::shared_ptr<Usage_counts> counts_;
    Surroundings surroundings_;
    std::vector<Pool> pools_;
    std::uint64_t turn_; // begins anywhere
};

} // namespace proxymap
