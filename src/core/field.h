// The closed list of names that a record may hold, and what each value may be.
//
// MUST: what decides whether somebody gets in (proxy, proxy_maybe, proxy_always, nopassword,
// noauthenticate, fail, userdb_*) is not in this list: the module alone sets it.
#pragma once

#include "result.h"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace proxymap {

// The services that proxy. `any` stands for a field without a service behind its name.
// `managesieve` is read as `sieve`, which is what Dovecot calls it.
enum class Service : std::uint8_t { any, imap, pop3, lmtp, submission, sieve };

std::optional<Service> parse_service(std::string_view word);
std::string_view to_string(Service service); // "" for any

enum class Field_id : std::uint8_t {
    backend,
    host,
    hostip,
    port,
    protocol,
    destuser,
    master,
    credential,
    tls,
    tls_policy,
    source,
    state,
    failover,
    proxy_mech,
    proxy_timeout,
    proxy_refresh,
    proxy_nopipelining,
    proxy_not_trusted,
    proxy_noauth,
    proxy_host_immediate_failure_after,
    proxy_redirect_reauth,
    proxy_no_multiplex,
    reason,
    // Each of these only when the setting allow_fields names it.
    pass,
    password,
    allow_nets,
    allow_real_nets,
    delay_until,
    nologin,
    user,
    // Families: the field's own name carries what follows the prefix.
    forward_prefix,
    event_prefix,
    user_prefix,
};

// How `tls` reads: no | starttls | starttls-any-cert | ssl | ssl-any-cert.
// How `state` reads: up | drain | down | hold.

struct Field_name {
    Field_id id;
    Service service; // of `port.imap`; Service::any without one
};

// `port`, `port.imap`, `forward_team`. The error names the word and says what is allowed.
Result<Field_name> parse_field_name(std::string_view word);

// Whether the value may stand in this field: bytes, syntax, length, `%{...}` only where it
// expands. The error is a sentence that names the field.
Result<Done> check_field_value(Field_id id, std::string_view name, std::string_view value);

// destuser, forward_*, event_*, user_*: the fields in which %{user}, %{username}, %{domain} and
// %{service} expand.
bool field_expands(Field_id id);

// pass, password, allow_nets ...: refused unless the setting allow_fields names it.
bool field_needs_permission(Field_id id);

std::string_view to_string(Field_id id); // "forward_" for the family

inline constexpr std::size_t max_value_bytes = 512;
inline constexpr std::size_t max_name_bytes = 512;
inline constexpr std::size_t max_record_bytes = 4096;

} // namespace proxymap
