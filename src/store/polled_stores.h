// Stores that are asked each second where they stand, so that what changed is known soon after, on
// an idle process too.
#pragma once

#include "loop.h"
#include "store.h"

#include <cstdint>
#include <memory>

namespace proxymap {

enum class Polling : std::uint8_t {
    at_once,           // as soon as the loop runs
    from_first_lookup, // for a process that may never see one, and must then open nothing
};

// whole_round_first: nothing is read until each store has said where it stands, or half of the
// first lookup's time is over; else the first one, with an old content perhaps, would be believed
// before a later one could tell. loop must outlive it.
std::unique_ptr<Store> make_polled_stores(std::unique_ptr<Store> stores, Loop &loop,
                                          Polling polling, bool whole_round_first);

} // namespace proxymap
