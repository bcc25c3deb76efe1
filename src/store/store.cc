// The newest position seen. MUST never let a mirror that lags, or one of another table, pass as
// current.
#include "store.h"

#include <functional>
#include <set>

namespace proxymap {

std::string_view kept_name(const std::string &name)
{
    static std::set<std::string> names; // a set's strings do not move
    return *names.insert(name).first;
}

std::size_t key_tag(const Key &key)
{
    return std::hash<std::string_view>()(key.name) + static_cast<std::size_t>(key.kind);
}

bool Newest_position::note(const Position &position)
{
    if (!position.known()) {
        return false;
    }
    if (newest_.known() && (position.table != newest_.table || position.older_than(newest_))) {
        return false;
    }
    newest_ = position;
    return true;
}

} // namespace proxymap
