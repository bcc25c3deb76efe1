#include "mirror_state.h"

namespace proxymap {

std::string_view mirror_state(const std::optional<Marker> &marker, const Position &table)
{
    if (!marker)
        return "empty";
    if (marker->position.table != table.table)
        return "another table";
    if (table.older_than(marker->position))
        return "newer";
    if (marker->state == Mirror_state::loading)
        return "loading";
    return marker->complete() && marker->position == table ? "current" : "behind";
}

} // namespace proxymap
