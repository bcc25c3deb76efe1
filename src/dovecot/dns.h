// The Resolver on Dovecot's own DNS client: the dns-client service, asked through its socket.
#pragma once

#include "../core/resolver.h"

#include <memory>

namespace proxymap {

// Asks the socket `dns-client` in the working directory: base_dir for auth; for a login process
// the folder `login` there, which is its chroot. Both are in Dovecot's defaults. A look-up ends
// after five seconds. Callbacks come from the ioloop that is current now; look-ups must have ended
// before that is destroyed.
std::unique_ptr<Resolver> make_dns_resolver();

} // namespace proxymap
