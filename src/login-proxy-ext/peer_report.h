// What a backend showed of itself, for a log line from which an admin can mend a policy without
// asking anywhere else.
//
// Everything in a certificate was written by whoever sent it: what comes out of here is printable
// ASCII of bounded length, whatever came in.
#pragma once

#include "../core/tls_policy.h"
#include "openssl_ptr.h"

#include <ctime>
#include <optional>
#include <string>
#include <string_view>

namespace proxymap {

// Other bytes than printable ASCII become '?'; what is longer ends in "...".
std::string printable(std::string_view text, std::size_t max_bytes);

// Nothing when the certificate's key cannot be encoded.
std::optional<Spki_pin> spki_pin(const X509 *certificate);

// "subject "CN=b1", issuer "CN=Our CA", pin ...=, names b1.example.com 192.0.2.1, valid 2026-01-01
// 00:00:00 to 2027-01-01 00:00:00 UTC". At most 1200 bytes.
std::string describe_certificate(const X509 *certificate);

// "2026-01-01 00:00:00", UTC; "?" where it is no time.
std::string format_time(const ASN1_TIME *time);
// Nothing where it is no time.
std::optional<std::time_t> to_time_t(const ASN1_TIME *time);

// RFC 2253, "CN=b1,O=Us"; at most 256 bytes.
std::string format_name(const X509_NAME *name);

// "signed by a CA of /etc/ca.pem, named b1.example.com, with one of the pins ...= ...=": what the
// policy demands of the certificate. name: what it is compared with, where it is.
std::string describe_expectation(const Tls_policy &policy, const std::string &name);

} // namespace proxymap
