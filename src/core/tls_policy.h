// TLS policies: how the proxy convinces itself that a backend is the backend, and what it shows
// of itself. Local to the proxy host, in its own settings; records only name them (tls_policy=).
#pragma once

#include "conf_file.h"
#include "result.h"

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace proxymap {

struct Setting_info; // settings.h

using Spki_pin =
    std::array<unsigned char, 32>; // SHA-256 of the SubjectPublicKeyInfo (RFC 7469, 2.4)

// `tls_policy NAME { ... }`. What a certificate must pass:
//
//   ca_file           its chain ends in one of these CAs and is valid now, and it has the name
//   ca_file and pins  the same, and its own key is one of the pins
//   pins alone        its own key is one of the pins. The pin is the trust: neither who signed the
//                     certificate nor its dates are checked; its name only when verify_name is
//                     given
//   any_cert          nothing
//
// MUST: a pin is compared with the key of the backend's own certificate, never with that of another
// certificate that it sends along. Anybody can send along anybody's.
struct Tls_policy {
    std::string name;
    std::string ca_file;          // PEM, one or many; empty: pins are the trust (or any_cert)
    std::string crl_file;         // PEM, one or many; every CA of the chain must have one
    std::string verify_name;      // host name or IP address; empty: the route's host
    std::string sni;              // empty: verify_name, else the route's host, where that is a name
    std::vector<Spki_pin> pins;   // any one of them will do
    std::string certificate_file; // PEM chain that the proxy presents; empty: none
    std::string key_file;         // PEM; set exactly when certificate_file is
    std::string min_protocol = "TLSv1.2"; // TLSv1.2 | TLSv1.3
    // OpenSSL's cipher list for TLS 1.2; empty: Dovecot's ssl_cipher_list. One that was given ends
    // in
    // ":!aNULL:!eNULL" here: without a certificate nothing would be checked. Whether OpenSSL knows
    // the names shows when they are set.
    std::string ciphers;
    std::string
        ciphersuites;      // for TLS 1.3, as SSL_CTX_set_ciphersuites() takes them; empty: default
    bool require = true;   // a route without TLS gets a temporary failure
    bool any_cert = false; // accepts every certificate: `tls=...-any-cert` is allowed only here
    bool resume_sessions = true; // only verified ones, so never with any_cert: false there
    std::uint64_t resume_max_age = 3'600'000; // ms
    std::uint32_t resume_max_count = 1000;    // sessions kept in one login process

    bool operator==(const Tls_policy &) const = default;
    bool checks_chain() const { return !ca_file.empty(); }
    // Against verify_name, or the route's host where that is empty.
    bool checks_name() const { return checks_chain() || !verify_name.empty(); }
    bool checks_pins() const { return !pins.empty(); }
};

// The settings of a section, in the order of the manual.
std::vector<Setting_info> tls_policy_settings();
// Whether the value alone is right; the error does not say where it stands.
Result<Done> check_tls_policy_setting(std::string_view name, std::string_view value);

// Checks every setting and what they are together; opens no file. Errors are "path:line: ..." and
// say what is allowed.
Result<Tls_policy> parse_tls_policy(const Conf_section &section, const std::string &path);

// The settings of the policy, as "pin_sha256, ciphers", that LMTP could not enforce: it has no
// login process, and Dovecot's LMTP proxy has one CA, certificate and cipher list for all backends.
// Empty when no more is asked for than TLS with any certificate. The default min_protocol is
// Dovecot's own (ssl_min_protocol), so it is not named.
std::string not_enforceable_by_lmtp(const Tls_policy &policy);

// base64 with its padding (RFC 4648, 4): as admins write a pin, and as a log line shows the one
// that came.
std::string format_pin(const Spki_pin &pin);

} // namespace proxymap
