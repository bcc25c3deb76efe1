#include "mirror_reading.h"

#include "core/key.h"
#include "store/try_addresses.h"

#include <utility>

namespace proxymap {

Mirror_reading::Mirror_reading(std::string name, const std::string &name_space,
                               std::unique_ptr<Memcached_connection> connection)
    : name_(std::move(name)), marker_key_(marker_key(name_space)),
      connection_(std::move(connection))
{
}

Result<std::unique_ptr<Mirror_reading>> Mirror_reading::connect(const Store_address &address,
                                                                const std::string &name_space,
                                                                std::uint32_t timeout)
{
    auto connection = try_addresses(address, timeout, [&](const std::string &host) {
        return Memcached_connection::open({host, address.port, address.path}, timeout,
                                          Memcached_connection::Use::reader);
    });
    if (!connection)
        return Error{address.text() + ": " + connection.error().message};
    return std::unique_ptr<Mirror_reading>(
        new Mirror_reading(address.text(), name_space, std::move(*connection)));
}

Result<std::optional<Marker>> Mirror_reading::marker()
{
    const auto items = get({marker_key_});
    if (!items)
        return items.error();
    if (!items->front())
        return std::optional<Marker>();
    const std::optional<Marker> marker = parse_marker(items->front()->value);
    if (!marker || !marker->position.known())
        return Error{name_ + ": " + marker_key_ + " is not a marker that this version knows"};
    return marker;
}

Result<Memcached_connection::Items> Mirror_reading::get(const std::vector<std::string> &keys)
{
    auto items = connection_->get(keys);
    if (!items)
        return Error{name_ + ": " + items.error().message};
    return items;
}

} // namespace proxymap
