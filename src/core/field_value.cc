// What the value of each field may be.
//
// MUST: destinations are literal. A "%" that expanded in host would let a client choose where its
// proxy, and with it a master password, goes; so "%" is an error wherever nothing expands.
// MUST never put the value of pass or password into an error: errors are logged.
#include "field.h"
#include "field_time.h"
#include "text.h"

#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>

namespace proxymap {

namespace {

constexpr std::size_t max_host_bytes = 253; // RFC 1035, 2.3.4, as text
constexpr std::size_t max_word_bytes = 64;

template <typename Test> bool all_of(std::string_view text, Test test)
{
    return std::all_of(text.begin(), text.end(), test);
}

// Decimal digits only, in range.
template <typename Number> bool is_number(std::string_view text, Number min, Number max)
{
    Number number = 0;
    const char *end = text.data() + text.size();
    const auto [stopped, error] = std::from_chars(text.data(), end, number);
    return !text.empty() && is_digit(text.front()) && error == std::errc() && stopped == end &&
           number >= min && number <= max;
}

bool is_ip_of(int family, std::string_view text)
{
    std::array<char, INET6_ADDRSTRLEN> copy{};
    if (text.size() >= copy.size()) {
        return false;
    }
    std::memcpy(copy.data(), text.data(), text.size());
    std::array<unsigned char, sizeof(in6_addr)> address{};
    return inet_pton(family, copy.data(), address.data()) == 1;
}

bool is_ip(std::string_view text)
{
    return is_ip_of(AF_INET, text) || is_ip_of(AF_INET6, text);
}

// The resolver's inet_aton() reads 127.1, 2130706433 and 0x7f000001 as addresses too: a name ends
// in a label that is no number, so that a mistyped address is an error and no other host.
bool ends_in_number(std::string_view host)
{
    const auto label = host.substr(host.rfind('.') + 1); // npos + 1 is 0
    return all_of(label, is_digit) || label.starts_with("0x") || label.starts_with("0X");
}

bool is_host_name(std::string_view host)
{
    const auto allowed = [](char c) { return is_alnum(c) || c == '.' || c == '-' || c == '_'; };
    return !host.empty() && host.size() <= max_host_bytes && host.front() != '-' &&
           host.front() != '.' && all_of(host, allowed) &&
           host.find("..") == std::string_view::npos && !ends_in_number(host);
}

// Names of things that an admin names: backends, credentials, policies, pools.
bool is_plain_name(std::string_view text)
{
    const auto allowed = [](char c) {
        return is_alnum(c) || std::string_view("._+-@").find(c) != std::string_view::npos;
    };
    return !text.empty() && text.size() <= max_word_bytes && all_of(text, allowed);
}

bool is_mechanism(std::string_view text)
{
    const auto allowed = [](char c) { return is_alnum(c) || c == '-' || c == '_'; };
    return !text.empty() && text.size() <= max_word_bytes && all_of(text, allowed);
}

bool is_net(std::string_view text)
{
    const auto slash = text.find('/');
    const auto address = text.substr(0, slash);
    const bool v4 = is_ip_of(AF_INET, address);
    if (!v4 && !is_ip_of(AF_INET6, address)) {
        return text == "local";
    }
    return slash == std::string_view::npos || is_number(text.substr(slash + 1), 0, v4 ? 32 : 128);
}

// Separated by commas or blanks, as Dovecot's auth_request_validate_networks() takes them.
bool is_net_list(std::string_view text)
{
    bool any = false;
    for (std::size_t start = 0; start < text.size();) {
        const auto end = std::min(text.find_first_of(", ", start), text.size());
        if (end > start) {
            if (!is_net(text.substr(start, end - start))) {
                return false;
            }
            any = true;
        }
        start = end + 1;
    }
    return any;
}

// TIMESTAMP or TIMESTAMP+SECONDS. Never +0: Dovecot's i_rand_limit(0) asserts and kills auth.
bool is_delay(std::string_view text)
{
    const auto plus = text.find('+');
    return is_number<std::int64_t>(text.substr(0, plus), 0, INT64_MAX) &&
           (plus == std::string_view::npos ||
            is_number<std::uint32_t>(text.substr(plus + 1), 1, UINT32_MAX));
}

// Length of the `%...` at the start of text, when it is one that expands; else 0.
std::size_t variable_length(std::string_view text)
{
    constexpr std::array<std::string_view, 5> variables = {"%{user}", "%{username}", "%{domain}",
                                                           "%{service}", "%%"};
    const auto *found = std::find_if(variables.begin(), variables.end(),
                                     [&](auto variable) { return text.starts_with(variable); });
    return found == variables.end() ? 0 : found->size();
}

bool is_template(std::string_view text)
{
    for (auto percent = text.find('%'); percent != std::string_view::npos;
         percent = text.find('%')) {
        const auto length = variable_length(text.substr(percent));
        if (length == 0) {
            return false;
        }
        text.remove_prefix(percent + length);
    }
    return true;
}

// "" when the value is right; else what is allowed.
std::string_view what_is_allowed(Field_id id, std::string_view value)
{
    const auto unless = [](bool right, std::string_view allowed) {
        return right ? std::string_view{} : allowed;
    };
    switch (id) {
    case Field_id::host:
        return unless(is_ip(value) || is_host_name(value),
                      "an IP address or a host name (at most 253 of A-Z a-z 0-9 . - _, "
                      "not ending in a number)");
    case Field_id::hostip:
        return unless(is_ip(value), "an IPv4 or IPv6 address");
    case Field_id::port:
        return unless(is_number(value, 1, 65535), "a number from 1 to 65535");
    case Field_id::protocol:
        return unless(value == "lmtp" || value == "smtp", "lmtp or smtp");
    case Field_id::tls:
        return unless(value == "no" || value == "starttls" || value == "starttls-any-cert" ||
                          value == "ssl" || value == "ssl-any-cert",
                      "no, starttls, starttls-any-cert, ssl or ssl-any-cert");
    case Field_id::state:
        return unless(value == "up" || value == "drain" || value == "down" || value == "hold",
                      "up, drain, down or hold");
    case Field_id::backend:
    case Field_id::failover:
    case Field_id::credential:
    case Field_id::tls_policy:
    case Field_id::source:
        return unless(is_plain_name(value), "a name: 1 to 64 of A-Z a-z 0-9 . _ + - @");
    case Field_id::proxy_mech:
        return unless(is_mechanism(value), "a SASL mechanism: 1 to 64 of A-Z 0-9 - _");
    case Field_id::proxy_timeout:
        return unless(parse_field_time(value).has_value(),
                      "a time of at most 1 day, such as 30, 30s, 1500ms, 5m, 1h or 1d; "
                      "a bare number is in seconds");
    case Field_id::proxy_refresh:
    case Field_id::proxy_host_immediate_failure_after:
        return unless(parse_field_time(value).value_or(1) % 1000 == 0,
                      "a time in whole seconds of at most 1 day, such as 30, 30s, 5m, 1h or 1d; "
                      "a bare number is in seconds");
    case Field_id::proxy_nopipelining:
    case Field_id::proxy_not_trusted:
    case Field_id::proxy_noauth:
    case Field_id::proxy_redirect_reauth:
    case Field_id::proxy_no_multiplex:
    case Field_id::nologin:
        return unless(value == "yes" || value == "no", "yes or no");
    case Field_id::allow_nets:
    case Field_id::allow_real_nets:
        return unless(is_net_list(value),
                      "a list of networks (10.0.0.0/8,fd00::/8) or \"local\", separated by commas");
    case Field_id::delay_until:
        return unless(is_delay(value), "a Unix time, or one and a random delay of at least a "
                                       "second: 1700000000+5");
    case Field_id::destuser: // an empty master or destuser is no other name: Dovecot ignores it
    case Field_id::master:
    case Field_id::user:
    case Field_id::pass:
        return unless(!value.empty(), "a value that is not empty");
    case Field_id::password:
        // MUST: behind {PLAIN} nothing would let in whoever sends an empty password.
        return unless(!value.empty() && (value.front() != '{' || value.back() != '}'),
                      "a password that is not empty, with or without its {SCHEME}");
    case Field_id::reason:
    case Field_id::forward_prefix:
    case Field_id::event_prefix:
    case Field_id::user_prefix:
        return {};
    }
    return "nothing: the field is unknown";
}

bool percent_is_literal(Field_id id)
{
    return id == Field_id::reason || id == Field_id::pass || id == Field_id::password ||
           id == Field_id::master;
}

bool is_secret(Field_id id)
{
    return id == Field_id::pass || id == Field_id::password;
}

} // namespace

Result<Done> check_field_value(Field_id id, std::string_view name, std::string_view value)
{
    const auto field = [&] { return "field " + quote(name); };

    if (value.size() > max_value_bytes) {
        return Error{field() + ": the value has " + std::to_string(value.size()) +
                     " bytes; at most " + std::to_string(max_value_bytes) + " are allowed"};
    }
    if (std::any_of(value.begin(), value.end(), is_control)) {
        return Error{field() + ": the value holds a control character (tab, newline ...); none is "
                               "allowed"};
    }
    if (value.find('%') != std::string_view::npos && !percent_is_literal(id)) {
        if (!field_expands(id)) {
            return Error{field() + ": \"%\" is not allowed here, for destinations are literal; "
                                   "%{user} and the like expand only in destuser, forward_*, "
                                   "event_* and user_*"};
        }
        if (!is_template(value)) {
            return Error{field() + ": after \"%\" comes {user}, {username}, {domain} or {service}; "
                                   "a percent sign is written %%"};
        }
    }
    const auto allowed = what_is_allowed(id, value);
    if (!allowed.empty()) {
        return Error{field() + (is_secret(id) ? "" : ": " + quote(value)) +
                     " is not allowed; write " + std::string(allowed)};
    }
    return Done{};
}

} // namespace proxymap
