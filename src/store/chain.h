// The chain of stores: each key goes to the first store; what that one cannot decide goes to the
// next, within the one deadline. A miss is believed only from a store that proves it.
#pragma once

#include "../core/seal.h"
#include "../core/settings.h"
#include "loop.h"
#include "store.h"

#include <memory>
#include <vector>

namespace proxymap {

// Stores in the order in which they are asked. While others remain, a store gets half of the time
// that is left, the last one all of it.
std::unique_ptr<Store> make_chain(std::vector<std::unique_ptr<Store>> stores, Loop &loop);

// What the setting `stores` says. newest must outlive the chain.
std::unique_ptr<Store> make_stores(const Settings &settings, const Seal_keys &seal_keys, Loop &loop,
                                   Newest_position &newest);

} // namespace proxymap
