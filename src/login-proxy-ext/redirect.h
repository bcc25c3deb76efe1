// Where a backend sends a login on to: what its refusal names, in the words of each protocol. Pure.
//
// MUST never name a place that the line does not: what is not understood is no redirect here.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace proxymap {

struct Redirect {
    std::string_view host;  // a name or an address, without brackets; points into the line
    std::uint16_t port = 0; // 0: none is named
};

// Of a line that answers the login. protocol: Dovecot's name of the login process's ("imap",
// "pop3", "submission", "sieve"). The forms are those that Dovecot's own proxies send and follow:
//
//   imap        L NO [REFERRAL imap://user@host:port/] text    (RFC 2221, the tag is Dovecot's)
//   pop3        -ERR [REFERRAL/user@host:port] text
//   submission  550 5.2.900 user@host:port text
//   sieve       NO (REFERRAL sieve://user@host:port) text
std::optional<Redirect> find_redirect(std::string_view protocol, std::string_view line);

} // namespace proxymap
