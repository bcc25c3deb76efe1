// How Dovecot's DNS client is asked, as its releases have it. For dns.cc alone.
#pragma once

#include "dovecot.h"

extern "C" {
#include <dns-lookup.h>
}

namespace proxymap {

inline constexpr unsigned int dns_timeout_msecs = 5000;

// As dns_lookup() without its macro: over a connection of its own to the socket `dns-client` in the
// working directory. -1: it has called back with a failure already.
int start_dns_request(struct ioloop *loop, const char *name, dns_lookup_callback_t *callback,
                      void *context, struct dns_lookup **lookup_r);

} // namespace proxymap
