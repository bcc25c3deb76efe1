// What login processes call things up to Dovecot 2.4.1; see login_branch.h.
#include "login_branch.h"

namespace proxymap {

const Auth_reply_kind auth_success = SASL_SERVER_REPLY_SUCCESS;
const Auth_reply_kind auth_failed = SASL_SERVER_REPLY_AUTH_FAILED;

const Handshake_verdict handshake_passed = 0;
const Handshake_verdict handshake_refused = -1;

} // namespace proxymap
