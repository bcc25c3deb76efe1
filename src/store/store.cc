// See store.h.
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

} // namespace proxymap
