// What auth says about a login that succeeded: the fields, and what the login process is told in
// their place. Pure.
//
// MUST never let a field of proxymap's own, nor a TLS flag that the policy does not stand for,
// reach Dovecot's reader.
#pragma once

#include "../core/ip.h"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace proxymap {

// "name=value", or "name" alone: as auth sends them, tab-unescaped. They hold the password.
using Reply_fields = std::vector<std::string>;

// The fields of proxymap's own begin so.
inline constexpr std::string_view own_prefix = "proxymap_";
// A forward field of the login process, by which it tells the passdb that policies are enforced in
// it (there it is forward_proxymap_ext). Where another passdb answers, it comes back with the reply
// and would go on to the backend.
inline constexpr const char *announcement = "proxymap_ext";
// And another one beside it: this is the login that a backend has sent on to another one, so that
// what the passdb remembers of its route may be out of date.
inline constexpr const char *sent_on_announcement = "proxymap_ext_sent_on";
inline constexpr std::string_view returned_announcement = "forward_proxymap_ext";

class Auth_reply {
  public:
    // fields: null, or ends with a null; kept by reference.
    explicit Auth_reply(const char *const *fields) : fields_(fields) {}

    // The value of the last field of that name, as Dovecot reads them; "" for a name alone.
    std::optional<std::string_view> find(std::string_view name) const;
    bool proxies() const { return find("proxy").has_value(); }
    bool has_own_fields() const;

    std::string_view tls_policy() const { return find("proxymap_tls").value_or(""); }
    std::string_view source_pool() const { return find("proxymap_source").value_or(""); }
    // Whether the login process may log in to auth again, with the password that it has, when the
    // backend names another one. Nothing: it is not proxymap's route.
    std::optional<bool> may_ask_again() const;
    // The name or address that the backend's certificate is for.
    std::string_view host() const { return find("host").value_or(""); }
    // Where the connection goes: hostip, else host. Nothing where that is no IP address; Dovecot
    // refuses such a reply itself.
    std::optional<Ip> address() const;
    // 0: Dovecot's own for the protocol.
    std::uint16_t port() const;
    bool wants_tls() const; // ssl or starttls
    bool wants_any_cert() const;
    bool waits_for_starttls() const { return find("starttls").has_value(); }

    // The fields less proxymap's own, for a login that is no business of the plugin's.
    Reply_fields stripped() const;
    // The fields for a login that the plugin sees to. enforced: a policy of the plugin's judges the
    // certificate, so that Dovecot, which knows nothing of it, is told to accept any; and the
    // mechanism is the route's real one. source: the address to connect from, nothing: as auth
    // said.
    Reply_fields rewritten(bool enforced, const std::optional<Ip> &source) const;

  private:
    const char *const *fields_;
};

// Overwrites them, for they hold a password.
void wipe(Reply_fields *fields);

} // namespace proxymap
