// The chain of stores: each key goes to the first store; what that one cannot decide goes to the
// next, within the one deadline. A miss is believed only from a store that proves it.
#pragma once

#include "../core/seal.h"
#include "../core/settings.h"
#include "loop.h"
#include "map_news.h"
#include "polled_stores.h"
#include "store.h"

#include <memory>
#include <vector>

namespace proxymap {

// Stores in the order in which they are asked. While others remain, a store gets half of the time
// that is left, the last one all of it.
std::unique_ptr<Store> make_chain(std::vector<std::unique_ptr<Store>> stores, Loop &loop);

// One of the setting `stores`. news must outlive it, here and below. proxy_name: under which a
// mirror is told how far this process has followed; empty: it is told nothing.
std::unique_ptr<Store> make_store(const Store_address &address, const Settings &settings,
                                  const Seal_keys &seal_keys, Loop &loop, Map_news &news,
                                  const std::string &proxy_name);

// All of the setting `stores`, polled. They tell mirrors how far this process has followed.
std::unique_ptr<Store> make_stores(const Settings &settings, const Seal_keys &seal_keys, Loop &loop,
                                   Map_news &news, Polling polling);

} // namespace proxymap
