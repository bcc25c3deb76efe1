// What the cache's tests put into a cache.
#pragma once

#include "core/cache.h"

#include <cstdio>
#include <memory>
#include <string>
#include <utility>

namespace proxymap::cache_contents {

// A record as a store hands it over: with name and position.
inline Record_ref record(const std::string &backend, const std::string &destuser = "")
{
    Record made{.kind = Kind::user, .name = "somebody", .fields = {}, .position = {7, 1, 42}};
    made.fields.push_back({Field_id::backend, Service::any, "", backend});
    if (!destuser.empty())
        made.fields.push_back({Field_id::destuser, Service::any, "", destuser});
    return std::make_shared<const Record>(std::move(made));
}

inline std::string number_name(const char *prefix, unsigned number)
{
    char name[64];
    std::snprintf(name, sizeof(name), "%s%06u@example.com", prefix, number);
    return name;
}

inline Cache_limits limits(std::uint64_t bytes)
{
    return {.bytes = bytes, .ttl = 1000, .negative_ttl = 100, .stale_ttl = 20'000};
}

} // namespace proxymap::cache_contents
