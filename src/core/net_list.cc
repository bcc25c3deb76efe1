// See net_list.h.
#include "net_list.h"

#include <algorithm>
#include <charconv>

namespace proxymap {

namespace {

bool is_in_network(std::string_view network, const Ip &ip)
{
    const auto slash = network.find('/');
    const auto net = parse_ip(network.substr(0, slash));
    if (!net || net->v6 != ip.v6)
        return false;
    std::size_t bits = ip.v6 ? 128 : 32;
    if (slash != std::string_view::npos) {
        const auto word = network.substr(slash + 1);
        const char *end = word.data() + word.size();
        std::size_t given = 0;
        const auto [stopped, error] = std::from_chars(word.data(), end, given);
        if (error != std::errc() || stopped != end || given > bits)
            return false;
        bits = given;
    }
    const auto *whole = net->bytes.begin() + bits / 8;
    if (!std::equal(net->bytes.begin(), whole, ip.bytes.begin()))
        return false;
    if (bits % 8 == 0)
        return true;
    const unsigned mask = 0xff00U >> bits % 8 & 0xffU;
    return (static_cast<unsigned>(*whole ^ ip.bytes[bits / 8]) & mask) == 0;
}

} // namespace

std::string_view find_network(std::string_view list, const Ip &ip)
{
    while (!list.empty()) {
        const auto end = std::min(list.find_first_of(", "), list.size());
        const auto network = list.substr(0, end);
        if (is_in_network(network, ip))
            return network;
        list.remove_prefix(std::min(end + 1, list.size()));
    }
    return {};
}

} // namespace proxymap
