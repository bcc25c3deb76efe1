// Lookups: from a login to its resolution, by the cache where it is fresh, else by the stores.
//
// One flight a key: a hundred logins that wait for one record cost one request. An answer that is
// not to be had falls back on what the cache still remembers (stale), never on a less specific
// record, another user's record or "unknown user". And nothing is ever put together from two
// positions of the map: what changed is let go, here and in the cache, and asked for again.
#pragma once

#include "../core/cache.h"
#include "../core/credentials.h"
#include "../core/route.h"
#include "../core/settings.h"
#include "loop.h"
#include "map_news.h"
#include "store.h"

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace proxymap {

enum class Cache_use : std::uint8_t { hit, stale, miss };
std::string_view to_string(Cache_use use);

struct Lookup_result {
    Resolution resolution; // decided
    Cache_use cache = Cache_use::miss;
    std::string_view store; // the last store that answered; empty when the cache did
    std::string outage;     // why a store could not answer, even where another one did
};

class Lookups {
  public:
    // From the loop, exactly once; never from within start().
    using Callback = std::function<void(const Lookup_result &)>;

    // All but the stores must outlive it. It listens to the news, and lets go what has changed.
    Lookups(const Settings &settings, const Credentials &credentials, Loop &loop,
            std::unique_ptr<Store> stores, Map_news &news);
    // Answers all that is pending, as unavailable.
    ~Lookups();
    Lookups(const Lookups &) = delete;
    Lookups &operator=(const Lookups &) = delete;

    // Whether the cache alone decides this login: with nothing in it older than its TTL, and while
    // the news are no older than confirmed_for_ms. The way of nearly every login: no allocation
    // but the route's.
    bool from_cache(const Login &login, Lookup_result *result_r);

    // Asks the stores for what the cache does not know; answers by the deadline
    // (settings.lookup_timeout), whatever the stores do. The login's strings are copied.
    void start(const Login &login, Callback callback);
    // The same, right after from_cache() has said no: needed is what its resolution left there.
    void start(const Login &login, const std::vector<Key> &needed, Callback callback);
    // The same, but the stores are asked for the login's own records whatever the cache knows of
    // them, for one who has reason to think that they have just changed.
    void start_anew(const Login &login, Callback callback);

    Cache_stats cache_stats() const;

  private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

} // namespace proxymap
