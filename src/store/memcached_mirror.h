// One memcached server that holds the whole map: a mirror.
//
// The auth process is one thread that must never wait, and libmemcached blocks. So a helper thread
// per mirror owns the libmemcached handle: the loop hands it keys, it gathers them into one
// multi-get `marker keys... marker`, and completions come back through an eventfd.
//
// The thread is started by the first get() (never before privileges drop), blocks all signals,
// has a small stack, calls nothing of Dovecot, and is never waited for: a hung server delays
// nobody, not even shutdown.
//
// MUST (libmemcached's traps): every timeout set explicitly; VERIFY_KEY; the returned key compared
// with the one asked, the returned record's kind and name too; memcached_quit() after any timeout
// or odd reply; a miss is proven only when both markers came in the same reply, equal, complete
// and current, and the server runs with evictions off.
#pragma once

#include "../core/seal.h"
#include "../core/settings.h"
#include "loop.h"
#include "map_news.h"
#include "store.h"

#include <memory>

namespace proxymap {

// All that a mirror needs to know; copied.
struct Mirror_config {
    Store_address address;
    std::string name_space;
    Key_case key_case = Key_case::lower;
    std::uint32_t timeout = 500;        // ms, connecting and waiting for a reply
    std::uint32_t breaker_failures = 3; // failures in a row that open the breaker
    std::uint32_t breaker_pause = 1000; // ms between the thread's own attempts while it is open
    Seal_keys seal_keys;
    bool require_seal = false;
    std::string proxy_name; // who reports to it (proxy_report.h); empty: nobody
};

// loop and news must outlive the store.
std::unique_ptr<Store> make_memcached_mirror(const Mirror_config &config, Loop &loop,
                                             Map_news &news);

} // namespace proxymap
