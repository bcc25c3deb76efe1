// What the answers of a mirror are worth: whether its records may be used, and whether what it
// does not have does not exist.
#pragma once

#include "memcached_batch.h"
#include "store.h"

#include <string>

namespace proxymap {

struct Mirror_verdict {
    std::string unreadable; // why not even its records are used; empty: they are
    std::string unproven;   // why its misses prove nothing; empty: they are proven
};

// For a batch without failure. A miss is proven only when both markers came, readable, equal and
// complete, at the newest position, from a server that evicts nothing, and no seal is required.
// Records are used unless a marker came that is behind (by its position or its state), of another
// table, or not understood.
//
// Takes a newer position over into `newest`, but only from a marker that is complete: a mirror that
// is being loaded announces a position that nobody can answer for yet.
Mirror_verdict judge_mirror(const Batch &batch, bool require_seal, Newest_position &newest);

} // namespace proxymap
