// The names of fields. What their values may be is in field_value.cc.
//
// MUST never take a name that is not in the table below: what decides whether somebody gets in is
// set by the module alone, and an empty name or a newline in one kills Dovecot's auth process
// (auth_fields_add asserts).
#include "field.h"

#include "text.h"

#include <algorithm>
#include <array>

namespace proxymap {

namespace {

struct Named_field {
    std::string_view name;
    Field_id id;
};

// In the order of Field_id, so that to_string() is an index.
constexpr std::array named_fields = {
    Named_field{"backend", Field_id::backend},
    Named_field{"host", Field_id::host},
    Named_field{"hostip", Field_id::hostip},
    Named_field{"port", Field_id::port},
    Named_field{"protocol", Field_id::protocol},
    Named_field{"destuser", Field_id::destuser},
    Named_field{"master", Field_id::master},
    Named_field{"credential", Field_id::credential},
    Named_field{"tls", Field_id::tls},
    Named_field{"tls_policy", Field_id::tls_policy},
    Named_field{"source", Field_id::source},
    Named_field{"state", Field_id::state},
    Named_field{"failover", Field_id::failover},
    Named_field{"proxy_mech", Field_id::proxy_mech},
    Named_field{"proxy_timeout", Field_id::proxy_timeout},
    Named_field{"proxy_refresh", Field_id::proxy_refresh},
    Named_field{"proxy_nopipelining", Field_id::proxy_nopipelining},
    Named_field{"proxy_not_trusted", Field_id::proxy_not_trusted},
    Named_field{"proxy_noauth", Field_id::proxy_noauth},
    Named_field{"proxy_host_immediate_failure_after", Field_id::proxy_host_immediate_failure_after},
    Named_field{"proxy_redirect_reauth", Field_id::proxy_redirect_reauth},
    Named_field{"proxy_no_multiplex", Field_id::proxy_no_multiplex},
    Named_field{"reason", Field_id::reason},
    Named_field{"pass", Field_id::pass},
    Named_field{"password", Field_id::password},
    Named_field{"allow_nets", Field_id::allow_nets},
    Named_field{"allow_real_nets", Field_id::allow_real_nets},
    Named_field{"delay_until", Field_id::delay_until},
    Named_field{"nologin", Field_id::nologin},
    Named_field{"user", Field_id::user},
    Named_field{"forward_", Field_id::forward_prefix},
    Named_field{"event_", Field_id::event_prefix},
    Named_field{"user_", Field_id::user_prefix},
};

constexpr bool in_order()
{
    for (std::size_t i = 0; i < named_fields.size(); i++) {
        if (static_cast<std::size_t>(named_fields[i].id) != i) {
            return false;
        }
    }
    return true;
}
static_assert(in_order());

constexpr bool is_family(Field_id id)
{
    return id >= Field_id::forward_prefix;
}

// Dovecot's imap-login drops a forward_ field with a longer name without a word.
constexpr std::size_t max_forward_suffix_bytes = 20;
constexpr std::size_t max_suffix_bytes = 64;

constexpr bool is_suffix_byte(char c)
{
    return is_alnum(c) || c == '_' || c == '-';
}

struct Refused_field {
    std::string_view name;
    std::string_view why;
};

// Fields of Dovecot that an admin may well try, each with the reason why a record has none.
constexpr std::string_view module_decides =
    "the module sets it itself, for it decides whether somebody gets in (setting verify)";
constexpr std::string_view tool_writes = "only doveadm proxymap writes it, at the end of a stored "
                                         "record";
constexpr std::array refused_fields = {
    Refused_field{"proxy", module_decides},
    Refused_field{"proxy_maybe", module_decides},
    Refused_field{"proxy_always", module_decides},
    Refused_field{"nopassword", module_decides},
    Refused_field{"noauthenticate", module_decides},
    Refused_field{"fail", module_decides},
    Refused_field{"ssl", "write tls=ssl or tls=ssl-any-cert"},
    Refused_field{"starttls", "write tls=starttls or tls=starttls-any-cert"},
    Refused_field{"source_ip", "write source=NAME, a source pool of the proxy's settings"},
    Refused_field{"pos", tool_writes},
    Refused_field{"seal", tool_writes},
};

std::string_view why_refused(std::string_view base)
{
    if (base.starts_with("userdb_")) {
        return "a record says where a login goes and sets nothing of the user database";
    }
    const auto *refused = std::find_if(refused_fields.begin(), refused_fields.end(),
                                       [&](const auto &field) { return field.name == base; });
    return refused == refused_fields.end() ? std::string_view{} : refused->why;
}

Error refuse(std::string_view word, std::string_view base)
{
    if (word.empty()) {
        return Error{"a field without a name: write name=value"};
    }
    // Dovecot splits such a suffix off the name (auth_fields_add callers): host:protected.
    const auto colon = base.find(':');
    if (const auto why = why_refused(base.substr(0, colon)); !why.empty()) {
        return Error{"field " + quote(word) + " is refused: " + std::string(why)};
    }
    if (colon != std::string_view::npos) {
        return Error{"field " + quote(word) +
                     " is refused: a name has no suffix such as :protected or :remove, only the "
                     "module sets those"};
    }
    std::string message = "unknown field " + quote(word) + "; a record may hold";
    for (const auto &field : named_fields) {
        message += field.id == Field_id::backend ? " " : ", ";
        message += field.name;
        message += is_family(field.id) ? "NAME" : "";
    }
    return Error{std::move(message)};
}

Result<Done> check_suffix(Field_id id, std::string_view word, std::string_view suffix)
{
    const auto max_bytes =
        id == Field_id::forward_prefix ? max_forward_suffix_bytes : max_suffix_bytes;
    if (suffix.empty() || suffix.size() > max_bytes ||
        !std::all_of(suffix.begin(), suffix.end(), is_suffix_byte)) {
        return Error{"field " + quote(word) + ": after " + std::string(to_string(id)) +
                     " come 1 to " + std::to_string(max_bytes) + " of A-Z a-z 0-9 _ -"};
    }
    return Done{};
}

} // namespace

std::optional<Service> parse_service(std::string_view word)
{
    if (word == "imap") {
        return Service::imap;
    }
    if (word == "pop3") {
        return Service::pop3;
    }
    if (word == "lmtp") {
        return Service::lmtp;
    }
    if (word == "submission") {
        return Service::submission;
    }
    if (word == "sieve" || word == "managesieve") {
        return Service::sieve;
    }
    return std::nullopt;
}

std::string_view to_string(Service service)
{
    switch (service) {
    case Service::any:
        return "";
    case Service::imap:
        return "imap";
    case Service::pop3:
        return "pop3";
    case Service::lmtp:
        return "lmtp";
    case Service::submission:
        return "submission";
    case Service::sieve:
        return "sieve";
    }
    return "";
}

Result<Field_name> parse_field_name(std::string_view word)
{
    const auto dot = word.find('.');
    const auto base = word.substr(0, dot);
    auto service = Service::any;

    // Whole names first, so that `user` is not taken for a family.
    const auto *field =
        std::find_if(named_fields.begin(), named_fields.end(), [&](const auto &named) {
            return is_family(named.id) ? base.starts_with(named.name) : base == named.name;
        });
    if (field == named_fields.end()) {
        return refuse(word, base);
    }
    if (dot != std::string_view::npos) {
        const auto parsed = parse_service(word.substr(dot + 1));
        if (!parsed) {
            return Error{"field " + quote(word) +
                         ": after the dot comes a service: imap, pop3, lmtp, submission or sieve"};
        }
        service = *parsed;
    }
    if (is_family(field->id)) {
        const auto checked = check_suffix(field->id, word, base.substr(field->name.size()));
        if (!checked) {
            return checked.error();
        }
    }
    return Field_name{field->id, service};
}

bool field_expands(Field_id id)
{
    return id == Field_id::destuser || is_family(id);
}

bool field_needs_permission(Field_id id)
{
    return id >= Field_id::pass && id <= Field_id::user;
}

std::string_view to_string(Field_id id)
{
    return named_fields.at(static_cast<std::size_t>(id)).name;
}

} // namespace proxymap
