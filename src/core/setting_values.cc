// What stands behind the `=` of a setting: times, sizes, addresses of stores.
//
// Must never guess a unit or a port: a time ten times too long keeps a moved user on the old
// backend, a wrong port asks another server where users live.
#include "ip.h"
#include "settings.h"
#include "text.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <limits>
#include <optional>

#include <arpa/inet.h>
#include <sys/un.h>

namespace proxymap {

namespace {

struct Unit {
    std::string_view word;
    std::uint64_t factor;
};

// The words of Dovecot's settings_get_time_msecs(), less the ones nobody writes.
constexpr std::array time_units = {
    Unit{"ms", 1},          Unit{"msecs", 1},          Unit{"s", 1000},
    Unit{"secs", 1000},     Unit{"m", 60'000},         Unit{"mins", 60'000},
    Unit{"h", 3600'000},    Unit{"hour", 3600'000},    Unit{"hours", 3600'000},
    Unit{"d", 86'400'000},  Unit{"day", 86'400'000},   Unit{"days", 86'400'000},
    Unit{"w", 604'800'000}, Unit{"week", 604'800'000}, Unit{"weeks", 604'800'000},
};

constexpr std::array size_units = {
    Unit{"", 1},
    Unit{"b", 1},
    Unit{"k", 1ULL << 10U},
    Unit{"m", 1ULL << 20U},
    Unit{"g", 1ULL << 30U},
    Unit{"t", 1ULL << 40U},
};

struct Amount {
    std::uint64_t number;
    std::string unit; // lower case
};

std::optional<Amount> parse_amount(std::string_view text)
{
    std::uint64_t number = 0;
    auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc())
        return std::nullopt;
    text.remove_prefix(static_cast<std::size_t>(end - text.data()));
    while (!text.empty() && text.front() == ' ')
        text.remove_prefix(1);
    std::string unit(text);
    std::transform(unit.begin(), unit.end(), unit.begin(), to_lower);
    return Amount{number, std::move(unit)};
}

template <std::size_t n>
std::optional<std::uint64_t> multiply(const Amount &amount, const std::array<Unit, n> &units)
{
    for (const Unit &unit : units) {
        if (unit.word == amount.unit)
            return amount.number <= std::numeric_limits<std::uint64_t>::max() / unit.factor
                       ? std::optional(amount.number * unit.factor)
                       : std::nullopt;
    }
    return std::nullopt;
}

bool is_ip(int family, const std::string &host)
{
    in6_addr address; // large enough for both
    return inet_pton(family, host.c_str(), &address) == 1;
}

bool is_host(const std::string &host)
{
    if (host.empty() || host.size() > 253 || host.front() == '-' || host.front() == '.')
        return false;
    if (!std::all_of(host.begin(), host.end(),
                     [](char c) { return is_alnum(c) || c == '-' || c == '.' || c == '_'; }))
        return false;
    // 192.168.1 is no name, and no address that everybody reads alike.
    bool is_numeric = host.find_first_not_of("0123456789.") == std::string::npos;
    return !is_numeric || is_ip(AF_INET, host);
}

struct Host_port {
    std::string host;
    std::uint16_t port = 0;
};

Result<std::string> parse_socket_path(std::string_view text)
{
    if (text.size() >= sizeof(sockaddr_un::sun_path))
        return Error{"a socket's path has at most " +
                     std::to_string(sizeof(sockaddr_un::sun_path) - 1) + " bytes"};
    return std::string(text);
}

// HOST:PORT or [IPv6]:PORT. Without a port it is 0.
Result<Host_port> parse_host_port(std::string_view text)
{
    Host_port address;
    std::size_t colon = text.rfind(':');
    if (text.starts_with('[')) {
        std::size_t bracket = text.find(']');
        if (bracket == text.size() - 1)
            colon = std::string_view::npos;
        else if (bracket == std::string_view::npos || bracket + 1 != colon)
            return Error{"an IPv6 address stands in brackets before its port, as in "
                         "[2001:db8::1]:11211"};
        address.host = text.substr(1, bracket - 1);
        if (!is_ip(AF_INET6, address.host))
            return Error{quote(address.host) + " is no IPv6 address"};
    } else {
        address.host = text.substr(0, colon);
        if (!is_host(address.host))
            return Error{quote(address.host) + " is no host name and no IPv4 address"};
    }
    if (colon == std::string_view::npos)
        return address;
    std::string_view port = text.substr(colon + 1);
    auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), address.port);
    if (error != std::errc() || end != port.data() + port.size() || address.port == 0)
        return Error{quote(port) + " is no port (1 to 65535)"};
    return address;
}

Error bad_store(std::string_view word, const std::string &what)
{
    return Error{quote(word) + " is no store: " + what +
                 "; a store is lmdb, memcached:HOST:PORT, memcached:[IPv6]:PORT or "
                 "memcached:/path/to/socket"};
}

Error bad_proxy(std::string_view word, const std::string &what)
{
    return Error{quote(word) + " is no proxy: " + what +
                 "; a proxy is NAME, NAME=HOST, NAME=HOST:PORT, NAME=[IPv6]:PORT or "
                 "NAME=/path/to/socket"};
}

} // namespace

Result<std::uint64_t> parse_time(std::string_view text)
{
    std::optional<Amount> amount = parse_amount(text);
    if (amount && amount->unit.empty()) {
        if (amount->number == 0)
            return std::uint64_t{0};
        return Error{"the time has no unit: write " + std::to_string(amount->number) + "s or " +
                     std::to_string(amount->number) + "ms"};
    }
    std::optional<std::uint64_t> msecs = amount ? multiply(*amount, time_units) : std::nullopt;
    if (!msecs)
        return Error{"not a time: write a whole number and its unit, ms, s, m, h, d or w"};
    return *msecs;
}

Result<std::uint64_t> parse_size(std::string_view text)
{
    std::optional<Amount> amount = parse_amount(text);
    std::optional<std::uint64_t> bytes = amount ? multiply(*amount, size_units) : std::nullopt;
    if (!bytes)
        return Error{"not a size: write a whole number of bytes, or one with k, M, G or T"};
    return *bytes;
}

Result<Store_address> parse_store_address(std::string_view word)
{
    Store_address address{Store_address::Type::lmdb, "", 0, ""};
    if (word == "lmdb")
        return address;
    constexpr std::string_view prefix = "memcached:";
    if (!word.starts_with(prefix))
        return bad_store(word, word == "memcached" ? "it has no address" : "unknown type");

    address.type = Store_address::Type::memcached;
    std::string_view rest = word.substr(prefix.size());
    if (rest.starts_with('/')) {
        Result<std::string> path = parse_socket_path(rest);
        if (!path)
            return bad_store(word, path.error().message);
        address.path = std::move(*path);
        return address;
    }
    Result<Host_port> where = parse_host_port(rest);
    if (!where)
        return bad_store(word, where.error().message);
    if (where->port == 0)
        return bad_store(word, "the port is missing (memcached's own is 11211)");
    address.host = std::move(where->host);
    address.port = where->port;
    return address;
}

Result<Proxy_address> parse_proxy_address(std::string_view word)
{
    Proxy_address proxy;
    std::size_t equals = word.find('=');
    proxy.name = word.substr(0, equals);
    if (!is_conf_name(proxy.name))
        return bad_proxy(word, "its name must be 1 to 64 letters, digits, and . _ -");
    if (equals == std::string_view::npos)
        return proxy;
    std::string_view rest = word.substr(equals + 1);
    if (rest.starts_with('/')) {
        Result<std::string> path = parse_socket_path(rest);
        if (!path)
            return bad_proxy(word, path.error().message);
        proxy.path = std::move(*path);
        return proxy;
    }
    Result<Host_port> where = parse_host_port(rest);
    if (!where)
        return bad_proxy(word, where.error().message);
    proxy.host = std::move(where->host);
    proxy.port = where->port;
    return proxy;
}

std::string Store_address::text() const
{
    if (type == Type::lmdb)
        return "lmdb";
    if (!path.empty())
        return "memcached:" + path;
    return "memcached:" + format_host_port(host, port);
}

std::string Proxy_address::text() const
{
    if (!has_address())
        return name;
    return name + "=" + (path.empty() ? format_host_port(host, port) : path);
}

} // namespace proxymap
