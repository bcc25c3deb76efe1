// What login processes call things since Dovecot 2.4.5; see login_branch.h.
#include "login_branch.h"

namespace proxymap {

const Auth_reply_kind auth_success = SASL_PROXY_REPLY_SUCCESS;
const Auth_reply_kind auth_failed = SASL_PROXY_REPLY_AUTH_FAILED;

const Handshake_verdict handshake_passed = SSL_IOSTREAM_STATE_OK;
const Handshake_verdict handshake_refused = SSL_IOSTREAM_STATE_INVALID_CERT;

} // namespace proxymap
