// Whether a backend's certificate satisfies a policy: the rule itself, as tls_policy.h states it.
//
// MUST: says no to whatever it was not made for.
#pragma once

#include "../core/tls_policy.h"
#include "openssl_ptr.h"

#include <ctime>
#include <string>

namespace proxymap {

// The name or IP address that the certificate must have. host: the route's.
std::string name_to_verify(const Tls_policy &policy, const std::string &host);

// The name that the backend is asked for (SNI): sni, else verify_name, else host. Empty where that
// is an IP address, which cannot be sent (RFC 6066, 3).
std::string name_to_send(const Tls_policy &policy, const std::string &host);

struct Certificate_check {
    bool passed = false;
    std::string failure;         // where not passed: "REASON; expected ...; came ..."
    std::time_t valid_until = 0; // where passed: the earliest notAfter of the chain, where checked
};

// For SSL_CTX_set_cert_verify_callback(): store_context as OpenSSL hands it over, its result is set
// for the alert that OpenSSL will send. Leaves nothing in OpenSSL's queue of errors.
Certificate_check check_certificate(X509_STORE_CTX *store_context, const Tls_policy &policy,
                                    const std::string &host);

} // namespace proxymap
