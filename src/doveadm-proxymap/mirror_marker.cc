#include "mirror_marker.h"

#include "core/key.h"
#include "store/host_addresses.h"
#include "store/memcached_connection.h"

namespace proxymap {

namespace {

constexpr std::uint32_t timeout_msecs = 5000;

Result<std::unique_ptr<Memcached_connection>> connect_to(const Store_address &address)
{
    std::vector<std::string> hosts = {std::string()}; // a unix socket has none
    if (address.path.empty()) {
        Result<std::vector<std::string>> known = Host_addresses(address.host).get(timeout_msecs);
        if (!known)
            return known.error();
        hosts = std::move(*known);
    }
    Error error;
    for (const std::string &host : hosts) {
        auto connection = Memcached_connection::open(
            {host, address.port, address.path}, timeout_msecs, Memcached_connection::Use::reader);
        if (connection)
            return connection;
        error = connection.error();
    }
    return error;
}

} // namespace

Result<Marker> read_mirror_marker(const Store_address &address, const std::string &name_space)
{
    const auto connection = connect_to(address);
    if (!connection)
        return Error{address.text() + ": " + connection.error().message};
    const auto items = (*connection)->get({marker_key(name_space)});
    if (!items)
        return Error{address.text() + ": " + items.error().message};
    if (!items->front())
        return Marker{};
    const std::optional<Marker> marker = parse_marker(items->front()->value);
    if (!marker)
        return Error{
            address.text() + ": " + marker_key(name_space) +
            " is not a marker that this version knows: empty the mirror first (flush_all)"};
    return *marker;
}

} // namespace proxymap
