// What auth says about a login; see auth_reply.h.
#include "auth_reply.h"

#include "../core/route.h"

#include <charconv>

#include <openssl/crypto.h>

namespace proxymap {

namespace {

std::string_view name_of(std::string_view field)
{
    return field.substr(0, field.find('='));
}

std::string_view value_of(std::string_view field)
{
    const std::size_t equals = field.find('=');
    return equals == std::string_view::npos ? std::string_view() : field.substr(equals + 1);
}

} // namespace

std::optional<std::string_view> Auth_reply::find(std::string_view name) const
{
    std::optional<std::string_view> found;
    if (fields_ == nullptr)
        return found;
    for (const char *const *field = fields_; *field != nullptr; field++) {
        if (name_of(*field) == name)
            found = value_of(*field);
    }
    return found;
}

bool Auth_reply::has_own_fields() const
{
    if (fields_ == nullptr)
        return false;
    for (const char *const *field = fields_; *field != nullptr; field++) {
        if (std::string_view(*field).starts_with(own_prefix))
            return true;
    }
    return false;
}

std::optional<bool> Auth_reply::may_ask_again() const
{
    const std::optional<std::string_view> value = find("proxymap_reauth");
    return value ? std::optional<bool>(*value == "y") : std::nullopt;
}

std::optional<Ip> Auth_reply::address() const
{
    const std::string_view hostip = find("hostip").value_or("");
    return parse_ip(hostip.empty() ? host() : hostip);
}

std::uint16_t Auth_reply::port() const
{
    const std::string_view text = find("port").value_or("");
    std::uint16_t port = 0;
    auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
    return error == std::errc() && end == text.data() + text.size() ? port : std::uint16_t{0};
}

bool Auth_reply::wants_tls() const
{
    return find("ssl").has_value() || find("starttls").has_value();
}

bool Auth_reply::wants_any_cert() const
{
    return find("ssl") == "any-cert" || find("starttls") == "any-cert";
}

Reply_fields Auth_reply::stripped() const
{
    Reply_fields result;
    if (fields_ == nullptr)
        return result;
    for (const char *const *field = fields_; *field != nullptr; field++) {
        if (!std::string_view(*field).starts_with(own_prefix))
            result.emplace_back(*field);
    }
    return result;
}

Reply_fields Auth_reply::rewritten(bool enforced, const std::optional<Ip> &source) const
{
    Reply_fields result;
    if (fields_ == nullptr)
        return result;
    for (const char *const *field = fields_; *field != nullptr; field++) {
        const std::string_view name = name_of(*field);
        const std::string_view value = value_of(*field);
        if (name == "proxymap_mech" && enforced) {
            result.push_back("proxy_mech=" + std::string(value));
        } else if (name.starts_with(own_prefix)) {
            continue;
        } else if (name == "proxy_mech" && enforced && value == needs_login_plugin) {
            continue;
        } else if ((name == "ssl" || name == "starttls") && enforced) {
            result.push_back(std::string(name) + "=any-cert");
        } else if (name == "source_ip" && source.has_value()) {
            continue;
        } else {
            result.emplace_back(*field);
        }
    }
    if (source.has_value())
        result.push_back("source_ip=" + format_ip(*source));
    return result;
}

void wipe(Reply_fields *fields)
{
    for (std::string &field : *fields)
        OPENSSL_cleanse(field.data(), field.size());
    fields->clear();
}

} // namespace proxymap
