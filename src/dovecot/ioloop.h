// The event loop of the stores, on Dovecot's ioloop.
#pragma once

#include "../store/loop.h"

#include <memory>

namespace proxymap {

// On the ioloop that is current now: an auth process calls it in (pre)init, so that a lookup
// started while some library runs a loop of its own still ends in the main one. All watches must be
// gone before that ioloop is destroyed.
//
// Callbacks run inside a data stack frame. An exception that one lets out is a bug: it is logged
// and goes no further, for Dovecot's own loop is C.
std::unique_ptr<Loop> make_ioloop();

} // namespace proxymap
