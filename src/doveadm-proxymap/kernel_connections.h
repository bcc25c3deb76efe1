// How many TCP connections this host has from each of its addresses to each destination, as the
// kernel counts them (/proc/net/tcp and tcp6), and how many ports it gives for that.
#pragma once

#include "core/ip.h"

#include <compare>
#include <cstdint>
#include <map>
#include <optional>
#include <string_view>

namespace proxymap {

struct Connection_pair {
    Ip from;
    Ip to;
    std::uint16_t port = 0; // of `to`
    auto operator<=>(const Connection_pair &) const = default;
};

using Connection_counts = std::map<Connection_pair, std::uint64_t>;

// Adds what such a file says; what is listening or not understood is passed over. A connection in
// TIME_WAIT counts, for it still has its port.
void add_connections(std::string_view proc_net_tcp, Connection_counts *counts);

// Of this host. What cannot be read is empty.
Connection_counts read_connections();

// "32768\t60999": how many ports that is. 0: it is not understood.
std::uint64_t parse_port_range(std::string_view text);
// net.ipv4.ip_local_port_range, for IPv6 too. Nothing: it cannot be read.
std::optional<std::uint64_t> read_port_count();

} // namespace proxymap
