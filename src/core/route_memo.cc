#include "route_memo.h"

#include <utility>

namespace proxymap {

std::size_t Route_memo::slot_of(const Key &key)
{
    // Contents are numbered one after the other, so neighbours must not fall on each other.
    constexpr std::uint64_t golden = 0x9e3779b97f4a7c15;
    const std::uint64_t mixed =
        ((key.record * golden ^ key.backend) * golden ^ static_cast<std::uint64_t>(key.service)) *
        golden;
    return mixed >> 32U & (slots - 1);
}

std::shared_ptr<const Route> Route_memo::find(const Key &key) const
{
    const Slot &slot = slots_[slot_of(key)];
    return slot.route != nullptr && slot.key == key ? slot.route : nullptr;
}

void Route_memo::put(const Key &key, std::shared_ptr<const Route> route)
{
    const bool is_known = key.record != 0 && (key.backend != 0 || key.backend_name.empty());
    if (!is_known || route->personal)
        return;
    Slot &slot = slots_[slot_of(key)];
    slot.route = std::move(route);
    slot.key = key;
    slot.key.backend_name = slot.route->backend;
}

} // namespace proxymap
