// Connects the tool to a memcached, by whichever of its addresses answers first.
#pragma once

#include "../core/settings.h"
#include "host_addresses.h"

#include <cstdint>
#include <string>
#include <type_traits>
#include <vector>

namespace proxymap {

// The first connection that open(host) makes, a Result, with the numeric addresses of the server
// one after the other; "" for a unix socket. The error is that of the last one. timeout:
// milliseconds for looking up a name.
template <typename Open>
std::invoke_result_t<Open, const std::string &>
try_addresses(const Store_address &address, std::uint32_t timeout, const Open &open)
{
    if (!address.path.empty())
        return open(std::string());
    const Result<std::vector<std::string>> hosts = Host_addresses(address.host).get(timeout);
    if (!hosts)
        return hosts.error();
    Error error;
    for (const std::string &host : *hosts) {
        auto connection = open(host);
        if (connection)
            return connection;
        error = connection.error();
    }
    return error;
}

} // namespace proxymap
