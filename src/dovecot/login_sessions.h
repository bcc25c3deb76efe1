// The proxied sessions of this host, as its login processes know them: users who are logged in, and
// users whose login is on its way to a backend. Of the latter a login process of Dovecot 2.3 shows
// none until it has had one that was through, and 2.4 never shows any; they are ended like the
// others. 2.4 shows what its anvil process knows.
#pragma once

#include "../core/result.h"

#include <string>
#include <vector>

namespace proxymap {

struct Login_session {
    std::string user;    // as the login processes have it, after auth_username_format
    std::string service; // imap, pop3, submission, sieve
    std::string client;  // its IP
    std::string backend; // IP and port that it goes to
    std::string port;    // empty: not known, as with 2.4
};

// Each waits at most ten seconds for all login processes. An error: one of them has not answered,
// or Dovecot does not run, or (2.4) anvil has died and a login process is left that it does not
// know all sessions of.
Result<std::vector<Login_session>> list_login_sessions();
// Dovecot starts its auth process with the first login, and may end it when there is none for a
// while; without it nobody follows the map or reports. So it is started, if it does not run. Does
// not wait for it.
void start_auth();
// All sessions of each of these users. The connections to backends are closed when it returns, and
// these sessions are listed no more.
// users: at least one, as in Login_session.
Result<Done> end_login_sessions(const std::vector<std::string> &users);

} // namespace proxymap
