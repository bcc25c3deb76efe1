// The sessions on the fleet's login proxies: who is there, and ending them.
//
// MUST: that a user has no session is concluded only from the whole answers of all proxies.
#pragma once

#include "doveadm_client.h"

#include "core/settings.h"
#include "dovecot/doveadm.h"

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace proxymap {

struct Proxy {
    std::string name;
    Line_socket::Address address; // of its doveadm-server
};

// Those of the setting `proxies`. An error: one has no address, and is not this host, or no port.
Result<std::vector<Proxy>> proxies_of(const Settings &settings, const Doveadm_access &access);

// What the proxy's host is called, as in its report (core/proxy_report.h).
Result<std::string> host_of(const Proxy &proxy, const Doveadm_access &access);

// Whose sessions these are; each user as often as it has sessions. only: these users are enough,
// unless it is empty; there may be others among them.
Result<std::vector<std::string>> users_on(const Proxy &proxy, const Doveadm_access &access,
                                          const std::vector<std::string> &only);

struct Session_end {
    // Names as the proxies have them. Asked for each session, many times.
    std::function<Result<bool>(const std::string &user)> is_theirs;
    // Their names, where they are known, so that proxies need not tell of all others.
    std::vector<std::string> only;
    // How long a session may still come up by an older route, in milliseconds from now: so long
    // they are looked for, and ended, at least.
    std::uint64_t settle = 0;
    // How long a proxy may be out of reach, or a session stay although it is ended, in
    // milliseconds.
    std::uint64_t timeout = 0;
};

struct Ended {
    std::vector<std::uint64_t> sessions; // ended, of each proxy
    std::vector<std::string> failures;   // one sentence a proxy; empty: none of them is left
};
Ended end_sessions(const std::vector<Proxy> &proxies, const Doveadm_access &access,
                   const Session_end &what);

} // namespace proxymap
