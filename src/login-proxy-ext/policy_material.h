// The files of a TLS policy, parsed: what OpenSSL checks backends with, and what the proxy shows of
// itself.
//
// Must never take half of a file: one certificate of a bundle that cannot be read is an error.
#pragma once

#include "openssl_ptr.h"
#include "policy_files.h"

#include <ctime>
#include <string>
#include <vector>

namespace proxymap {

struct Policy_material {
    Store_ptr store;                       // CAs and CRLs; empty where no chain is checked
    std::vector<std::time_t> next_updates; // of the CRLs that say when the next one comes
    Certificate_ptr certificate;           // the proxy's own; null: none
    Chain_ptr chain;                       // sent along with it
    Key_ptr key;
};

// 17 ms for the CAs of a whole Debian: only once a policy and process. Errors name policy, setting
// and file. Leaves nothing in OpenSSL's queue of errors.
Result<Policy_material> parse_policy_files(const Tls_policy &policy, const Policy_files &files);

// Puts the material and the ciphers into the context of a TLS client in place of what was there,
// and min_protocol where that was older. Where the policy names no ciphers, those that the context
// has stay (Dovecot's ssl_cipher_list). The context takes references of its own.
Result<Done> use_policy_material(SSL_CTX *context, const Tls_policy &policy,
                                 const Policy_material &material);

// Everything that the first login of a policy would find: for `doveadm proxymap check` and for the
// start of auth. The value is a list of sentences that are worth a warning and no error: what is
// not valid yet or any more (a CA, a CRL, the own certificate), and a CA that is no CA.
Result<std::vector<std::string>> check_policy_files(const Tls_policy &policy,
                                                    const Policy_files &files, std::time_t now);

} // namespace proxymap
