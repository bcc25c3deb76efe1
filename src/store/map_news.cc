// MUST never let a store that lags, or one of another table, pass as current.
#include "map_news.h"

#include <algorithm>

namespace proxymap {

bool Map_news::advance(const Journal_step &step)
{
    if (!step.to.known())
        return false;
    if (position_.known() && (step.to.table != position_.table || step.to.older_than(position_)))
        return false;
    if (step.to == position_)
        return true;
    // What was kept before the first position was of nobody knows when.
    const bool named =
        position_.known() && step.from.table == position_.table && !position_.older_than(step.from);
    position_ = step.to;
    if (listener_)
        listener_(named ? step.changes : Journal_entry{true, {}}, position_);
    return true;
}

void Map_news::confirm(const Position &position, std::uint64_t asked)
{
    if (position.known() && position == position_)
        confirmed_until_ = std::max(confirmed_until_, asked + confirmed_for_ms);
}

std::string Map_news::why_not_read(const Position &position) const
{
    if (!position_.known())
        return {};
    const bool other_table = position.table != position_.table;
    if (!other_table && !position.older_than(position_))
        return {};
    return std::string(other_table ? "it holds another table" : "it is behind") + " (it is at " +
           format_position(position) + ", the newest seen is " + format_position(position_) + ")";
}

} // namespace proxymap
