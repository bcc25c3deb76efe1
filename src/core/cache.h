// The cache in the auth process: records by kind and name, bounded in bytes.
//
// Scan-resistant: found records and proven misses live apart, each in a probation and a protected
// part, so a flood of random names pushes no known route out. Compares whole names: a hash alone
// never decides. One thread only. Times are CLOCK_MONOTONIC milliseconds given by the caller.
#pragma once

#include "cache_hash.h"
#include "record.h"
#include "route.h"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>

namespace proxymap {

struct Cache_limits {
    // For everything together. Under 256 KB the cache may hold nothing, and takes 40 KB empty.
    // Over 128 GB counts as that.
    std::uint64_t bytes = 64ULL << 20U;
    std::uint64_t ttl = 3600'000;
    std::uint64_t negative_ttl = 10'000;
    std::uint64_t stale_ttl = 86'400'000; // measured from the moment it was stored
};

enum class Age : std::uint8_t {
    fresh,   // younger than ttl (negative_ttl)
    refresh, // found, in the last tenth of ttl: fetch it again; one find() in 5 s says so
    stale,   // from ttl until stale_ttl: for outages only
};

// The record's name and position are empty, since records that say the same are held once. Who
// needs the name (resolve() does) copies the record and sets it to the name asked for.
struct Cache_hit {
    Outcome outcome;      // found or missing
    const Record *record; // found: valid until the next call that is not find()
    Age age;
    std::uint64_t age_ms;
    bool outdated;         // stored before revalidate(): of an older map, perhaps; always stale
    std::uint64_t content; // found: as in Known
};

struct Cache_stats {
    std::uint64_t found_entries = 0;
    std::uint64_t missing_entries = 0;
    std::uint64_t bytes = 0; // everything the cache has allocated
    std::uint64_t hits = 0;
    std::uint64_t misses = 0;
    std::uint64_t evictions = 0; // entries that made room for others
};

class Cache {
  public:
    // Throws std::system_error where the kernel has no random bytes.
    explicit Cache(const Cache_limits &limits);
    // With another hash: for tests of names that collide.
    Cache(const Cache_limits &limits, Hash_function hash);
    ~Cache();
    Cache(const Cache &) = delete;
    Cache &operator=(const Cache &) = delete;

    // False: nothing usable (never stored, dropped, evicted, or older than stale_ttl). True counts
    // as a use, and the first use protects the entry: a login asks for a key once, and not for
    // what it has just been told.
    bool find(Kind kind, std::string_view name, std::uint64_t now, Cache_hit *hit_r);
    // Puts replace what was held, found or missing. What cannot be held (no room, a name over
    // max_name_bytes, no memory) is not, and neither is what was there before.
    // put_found() returns the content's number as in Known, 0 when it is not held.
    std::uint64_t put_found(Kind kind, std::string_view name, const Record_ref &record,
                            std::uint64_t now);
    void put_missing(Kind kind, std::string_view name, std::uint64_t now);
    void drop(Kind kind, std::string_view name); // gone: not even stale
    // Makes all that is held now stale: anything may have changed, and an outage must not empty it.
    void revalidate(std::uint64_t now);
    void clear(); // all gone; hits, misses, evictions count on
    Cache_stats stats() const;

  private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

} // namespace proxymap
