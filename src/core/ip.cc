// IP addresses: text to bytes and back.
//
// Must never read an address as another one: what inet_pton(3) does not take is no address.
#include "ip.h"

#include <algorithm>
#include <cstring>

#include <arpa/inet.h>

namespace proxymap {

std::optional<Ip> parse_ip(std::string_view text)
{
    // A NUL inside would end the text for inet_pton(), and hide what follows it.
    std::array<char, INET6_ADDRSTRLEN> copy{};
    if (text.size() >= copy.size() || text.find('\0') != std::string_view::npos)
        return std::nullopt;
    std::memcpy(copy.data(), text.data(), text.size());

    Ip ip;
    ip.v6 = text.find(':') != std::string_view::npos;
    if (inet_pton(ip.v6 ? AF_INET6 : AF_INET, copy.data(), ip.bytes.data()) != 1 ||
        is_ipv4_mapped(ip))
        return std::nullopt;
    return ip;
}

std::string format_ip(const Ip &ip)
{
    std::array<char, INET6_ADDRSTRLEN> text{};
    // Cannot fail: the family is known and the text has room.
    inet_ntop(ip.v6 ? AF_INET6 : AF_INET, ip.bytes.data(), text.data(), text.size());
    return text.data();
}

std::string format_host_port(std::string_view host, std::uint16_t port)
{
    const bool is_ipv6 = host.find(':') != std::string_view::npos;
    std::string text = is_ipv6 ? "[" + std::string(host) + "]" : std::string(host);
    if (port != 0)
        text += ":" + std::to_string(port);
    return text;
}

bool is_ipv4_mapped(const Ip &ip)
{
    constexpr std::array<unsigned char, 12> prefix = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
    return ip.v6 && std::equal(prefix.begin(), prefix.end(), ip.bytes.begin());
}

} // namespace proxymap
