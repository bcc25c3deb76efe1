// An IP address as bytes, with which addresses are compared, counted and hashed.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace proxymap {

// In network order. Never an IPv4-mapped IPv6 address: that one is of the other family as soon as a
// socket meets it (RFC 4291, 2.5.5.2).
struct Ip {
    bool v6 = false;
    std::array<unsigned char, 16> bytes{}; // IPv4: the first four; the others are 0
    bool operator==(const Ip &) const = default;
    auto operator<=>(const Ip &) const = default;
};

// As inet_pton(3) reads it, and nothing else: no 127.1, no octal number, no %eth0. Nothing for an
// IPv4-mapped IPv6 address.
std::optional<Ip> parse_ip(std::string_view text);

// RFC 5952 for IPv6.
std::string format_ip(const Ip &ip);

// "host:port", with brackets around an IPv6 address (RFC 3986, 3.2.2); port 0: none is written.
std::string format_host_port(std::string_view host, std::uint16_t port);

// ::ffff:0:0/96, which parse_ip() and every other maker of an Ip refuses.
bool is_ipv4_mapped(const Ip &ip);

} // namespace proxymap
