#include "kernel_connections.h"

#include "core/conf_file.h"

#include <algorithm>
#include <charconv>
#include <cstring>
#include <fstream>
#include <iterator>
#include <netinet/tcp.h>

namespace proxymap {

namespace {

std::optional<std::uint32_t> parse_hex(std::string_view text)
{
    std::uint32_t number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number, 16);
    if (error != std::errc() || end != text.data() + text.size())
        return std::nullopt;
    return number;
}

struct Endpoint {
    Ip ip;
    std::uint16_t port;
};

// "0100007F:1F90": words of 32 bits as this host holds them in memory, and a port.
std::optional<Endpoint> parse_endpoint(std::string_view text)
{
    const std::size_t colon = text.find(':');
    if (colon != 8 && colon != 32)
        return std::nullopt;
    Endpoint endpoint{{}, 0};
    endpoint.ip.v6 = colon == 32;
    for (std::size_t at = 0; at < colon; at += 8) {
        const std::optional<std::uint32_t> word = parse_hex(text.substr(at, 8));
        if (!word)
            return std::nullopt;
        std::memcpy(endpoint.ip.bytes.data() + at / 2, &*word, sizeof(*word));
    }
    if (endpoint.ip.v6 && is_ipv4_mapped(endpoint.ip)) {
        Ip v4;
        std::copy_n(endpoint.ip.bytes.begin() + 12, 4, v4.bytes.begin());
        endpoint.ip = v4;
    }
    const std::optional<std::uint32_t> port = parse_hex(text.substr(colon + 1));
    if (!port || *port > UINT16_MAX)
        return std::nullopt;
    endpoint.port = static_cast<std::uint16_t>(*port);
    return endpoint;
}

std::string read_proc(const char *path)
{
    std::ifstream file(path); // has no size that could be asked for
    return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

} // namespace

// "  0: 0100007F:9C40 0200007F:8F0A 01 ..."
void add_connections(std::string_view proc_net_tcp, Connection_counts *counts)
{
    while (!proc_net_tcp.empty()) {
        const std::string_view line = proc_net_tcp.substr(0, proc_net_tcp.find('\n'));
        proc_net_tcp.remove_prefix(std::min(line.size() + 1, proc_net_tcp.size()));
        const std::vector<std::string_view> words = split_words(line);
        if (words.size() < 4 || parse_hex(words[3]) == std::uint32_t{TCP_LISTEN})
            continue;
        const std::optional<Endpoint> from = parse_endpoint(words[1]);
        const std::optional<Endpoint> to = parse_endpoint(words[2]);
        if (from && to)
            ++(*counts)[{from->ip, to->ip, to->port}];
    }
}

Connection_counts read_connections()
{
    Connection_counts counts;
    add_connections(read_proc("/proc/net/tcp"), &counts);
    add_connections(read_proc("/proc/net/tcp6"), &counts);
    return counts;
}

std::uint64_t parse_port_range(std::string_view text)
{
    if (text.ends_with('\n'))
        text.remove_suffix(1);
    const std::vector<std::string_view> words = split_words(text);
    std::uint32_t first = 0;
    std::uint32_t last = 0;
    const auto is_number = [](std::string_view word, std::uint32_t *number) {
        const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), *number);
        return error == std::errc() && end == word.data() + word.size();
    };
    if (words.size() != 2 || !is_number(words[0], &first) || !is_number(words[1], &last) ||
        last < first || last > UINT16_MAX)
        return 0;
    return last - first + 1;
}

std::optional<std::uint64_t> read_port_count()
{
    const std::uint64_t count =
        parse_port_range(read_proc("/proc/sys/net/ipv4/ip_local_port_range"));
    return count == 0 ? std::nullopt : std::optional(count);
}

} // namespace proxymap
