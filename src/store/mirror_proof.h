// What the answers of a mirror are worth: whether its records may be used, and whether what it
// does not have does not exist.
#pragma once

#include "map_news.h"
#include "memcached_batch.h"

#include <string>

namespace proxymap {

struct Mirror_verdict {
    std::string unreadable = {}; // why not even its records are used; empty: they are
    bool overtaken = false;      // unreadable: it was current when it was asked
    std::string unproven = {};   // why its misses prove nothing; empty: they are proven
    Position as_of = {};         // of what its answers hold; unknown: nobody can say
};

// For a batch without failure. A miss is proven only when both markers came, readable, equal and
// complete, at the newest position, from a server that evicts nothing, and no seal is required.
// Records are used unless a marker came that is behind (by its position or its state), of another
// table, or not understood; and without two equal markers only of a map that has no position.
//
// Tells `news` of a newer position, but only from a marker that is complete: a mirror that is being
// loaded announces a position that nobody can answer for yet.
Mirror_verdict judge_mirror(const Batch &batch, bool require_seal, Map_news &news);

} // namespace proxymap
