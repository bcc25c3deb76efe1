// The sentence for the log when there is no TLS with a backend, unless it is its certificate that
// was wrong (certificate_check.h words that).
#pragma once

#include "backend_tls.h"

#include <string>
#include <string_view>

namespace proxymap {

constexpr std::size_t max_failure_bytes = 3072;

// "tls_policy NAME: no TLS with HOST (ADDRESS): WHAT". Printable ASCII, at most max_failure_bytes.
std::string handshake_failure(const Tls_policy &policy, const Backend_handshake &handshake,
                              std::string_view what);

// The same from `error`, what OpenSSL or Dovecot said, with all that is known of the cause.
std::string explain_handshake_failure(const Tls_policy &policy, const Backend_handshake &handshake,
                                      std::string_view error);

} // namespace proxymap
