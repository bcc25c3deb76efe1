// Reads sections `tls_policy NAME { }`.
//
// Must never make a policy that checks less than its text says: what is unknown, empty or at odds
// with the rest is an error, and a policy that trusts every certificate says so in so many words.
#include "tls_policy.h"

#include "base64.h"
#include "field.h"
#include "ip.h"
#include "section_settings.h"

#include <algorithm>
#include <utility>

namespace proxymap {

namespace {

constexpr std::size_t max_cipher_bytes = 1024;

bool is_host_name(std::string_view text)
{
    return check_field_value(Field_id::host, "host", text).ok() && !parse_ip(text) &&
           text.find(':') == std::string_view::npos; // an IPv4-mapped address
}

std::optional<Spki_pin> parse_pin(std::string_view text)
{
    const std::optional<std::string> decoded = decode_base64(text);
    Spki_pin pin;
    if (!decoded || decoded->size() != pin.size())
        return std::nullopt;
    std::copy(decoded->begin(), decoded->end(), pin.begin());
    return pin;
}

Result<std::vector<Spki_pin>> parse_pins(std::string_view value)
{
    std::vector<Spki_pin> pins;
    for (std::string_view word : split_words(value)) {
        std::optional<Spki_pin> pin = parse_pin(word);
        if (!pin)
            return Error{quote(word) + " is no pin: a pin is the SHA-256 of a certificate's public "
                                       "key (SubjectPublicKeyInfo) in base64, 44 characters"};
        if (std::find(pins.begin(), pins.end(), *pin) != pins.end())
            return Error{"the pin " + quote(word) + " is given twice"};
        pins.push_back(*pin);
    }
    if (pins.empty())
        return Error{"at least one pin is needed"};
    return pins;
}

// Without wildcards, for it is this one backend's name.
Result<std::string> parse_verify_name(std::string_view value)
{
    if (!is_host_name(value) && !parse_ip(value))
        return must_be("a host name or an IP address");
    return std::string(value);
}

Result<std::string> parse_sni(std::string_view value)
{
    if (!is_host_name(value))
        return must_be("a host name; an IP address cannot be sent (RFC 6066, 3)");
    return std::string(value);
}

Result<std::string> parse_protocol(std::string_view value)
{
    if (value != "TLSv1.2" && value != "TLSv1.3")
        return must_be("TLSv1.2 or TLSv1.3");
    return std::string(value);
}

Result<std::string> parse_ciphers(std::string_view value)
{
    auto allowed = [](char c) {
        return is_alnum(c) || std::string_view(":, +-!@=_.").find(c) != std::string_view::npos;
    };
    if (value.empty() || value.size() > max_cipher_bytes ||
        !std::all_of(value.begin(), value.end(), allowed))
        return must_be("a list of OpenSSL's ciphers for TLS 1.2, as in ECDHE+AESGCM:!SHA1");
    // MUST: a cipher without authentication has no certificate that anybody could check, and `!`
    // keeps it out whatever stands before (openssl-ciphers(1)).
    return std::string(value) + ":!aNULL:!eNULL";
}

Result<std::string> parse_ciphersuites(std::string_view value)
{
    auto allowed = [](char c) { return (c >= 'A' && c <= 'Z') || is_digit(c) || c == '_'; };
    std::string_view rest = value.substr(0, max_cipher_bytes + 1);
    bool right = value.size() <= max_cipher_bytes;
    for (bool more = true; right && more;) {
        std::size_t colon = rest.find(':');
        std::string_view name = rest.substr(0, colon);
        right = name.starts_with("TLS_") && std::all_of(name.begin(), name.end(), allowed);
        more = colon != std::string_view::npos;
        rest.remove_prefix(more ? colon + 1 : 0);
    }
    if (!right)
        return must_be("names of TLS 1.3 separated by colons, as in "
                       "TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256");
    return std::string(value);
}

using Setting = Section_setting<Tls_policy>;

constexpr std::array table = {
    Setting{{"ca_file", "string", "", "login", "file with the CAs that may have signed"},
            [](Tls_policy &policy, std::string_view value) {
                return assign(parse_file_name(value), &policy.ca_file);
            }},
    Setting{{"crl_file", "string", "", "login", "file with the revocation lists of these CAs"},
            [](Tls_policy &policy, std::string_view value) {
                return assign(parse_file_name(value), &policy.crl_file);
            }},
    Setting{{"verify_name", "string", "", "login", "name that the certificate must have"},
            [](Tls_policy &policy, std::string_view value) {
                return assign(parse_verify_name(value), &policy.verify_name);
            }},
    Setting{{"sni", "string", "", "login", "name that the backend is asked for"},
            [](Tls_policy &policy, std::string_view value) {
                return assign(parse_sni(value), &policy.sni);
            }},
    Setting{{"pin_sha256", "list", "", "login", "keys that the backend may have"},
            [](Tls_policy &policy, std::string_view value) {
                return assign(parse_pins(value), &policy.pins);
            }},
    Setting{{"certificate", "string", "", "login", "file with the proxy's own certificate"},
            [](Tls_policy &policy, std::string_view value) {
                return assign(parse_file_name(value), &policy.certificate_file);
            }},
    Setting{{"key", "string", "", "login", "file with the private key of this certificate"},
            [](Tls_policy &policy, std::string_view value) {
                return assign(parse_file_name(value), &policy.key_file);
            }},
    Setting{{"min_protocol", "one of: TLSv1.2 | TLSv1.3", "TLSv1.2", "login",
             "oldest version of TLS that is spoken"},
            [](Tls_policy &policy, std::string_view value) {
                return assign(parse_protocol(value), &policy.min_protocol);
            }},
    Setting{{"ciphers", "string", "", "login", "ciphers for TLS 1.2"},
            [](Tls_policy &policy, std::string_view value) {
                return assign(parse_ciphers(value), &policy.ciphers);
            }},
    Setting{{"ciphersuites", "string", "", "login", "ciphers for TLS 1.3"},
            [](Tls_policy &policy, std::string_view value) {
                return assign(parse_ciphersuites(value), &policy.ciphersuites);
            }},
    Setting{{"require", "bool", "yes", "login", "whether a login without TLS is refused"},
            [](Tls_policy &policy, std::string_view value) {
                return assign(parse_yes_no(value), &policy.require);
            }},
    Setting{{"any_cert", "bool", "no", "login", "whether every certificate is accepted"},
            [](Tls_policy &policy, std::string_view value) {
                return assign(parse_yes_no(value), &policy.any_cert);
            }},
    Setting{{"resume_sessions", "bool", "yes", "login",
             "whether TLS sessions that were verified are resumed"},
            [](Tls_policy &policy, std::string_view value) {
                return assign(parse_yes_no(value), &policy.resume_sessions);
            }},
    Setting{{"resume_max_age", "time", "1h", "login", "how long after its verification"},
            [](Tls_policy &policy, std::string_view value) {
                return assign(parse_time_between(value, "1s", "24h"), &policy.resume_max_age);
            }},
    Setting{{"resume_max_count", "number", "1000", "login",
             "most sessions that one login process keeps"},
            [](Tls_policy &policy, std::string_view value) {
                return assign(parse_number(value, 1, 100'000), &policy.resume_max_count);
            }},
};

// What no single value shows.
Result<Done> check_together(const Tls_policy &policy, const Conf_section &section,
                            const std::string &path)
{
    auto blame = [&](std::string_view setting, const std::string &what) {
        const Conf_entry *entry = section.find(setting);
        return section_error(section, path, entry != nullptr ? entry->line : section.line, what);
    };
    if (policy.any_cert) {
        for (std::string_view setting : {"ca_file", "crl_file", "verify_name", "pin_sha256"}) {
            if (section.find(setting) != nullptr)
                return blame(setting, std::string(setting) +
                                          " and any_cert = yes: with any_cert the certificate is "
                                          "not checked, remove one of the two");
        }
        if (policy.resume_sessions && section.find("resume_sessions") != nullptr)
            return blame("resume_sessions", "resume_sessions = yes and any_cert = yes: only "
                                            "sessions that were verified are resumed");
        // resume_sessions = yes by default, and not in force.
    } else if (!policy.checks_chain() && !policy.checks_pins()) {
        return blame("", "neither ca_file nor pin_sha256 is given, so no certificate can be "
                         "trusted; to accept every certificate, write any_cert = yes");
    }
    if (!policy.crl_file.empty() && !policy.checks_chain())
        return blame("crl_file", "crl_file needs ca_file, the CAs that signed the lists");
    if (!policy.certificate_file.empty() && policy.key_file.empty())
        return blame("certificate", "certificate needs key, the file with its private key");
    if (!policy.key_file.empty() && policy.certificate_file.empty())
        return blame("key", "key needs certificate, the file with the certificate of this key");
    return Done{};
}

} // namespace

std::vector<Setting_info> tls_policy_settings()
{
    return setting_infos(std::span<const Setting>(table));
}

Result<Done> check_tls_policy_setting(std::string_view name, std::string_view value)
{
    return check_setting(std::span<const Setting>(table), name, value);
}

Result<Tls_policy> parse_tls_policy(const Conf_section &section, const std::string &path)
{
    Tls_policy policy;
    policy.name = section.name;
    if (Result<Done> done = read_section(section, path, std::span<const Setting>(table), &policy);
        !done)
        return done.error();
    if (Result<Done> done = check_together(policy, section, path); !done)
        return done.error();
    if (policy.any_cert)
        policy.resume_sessions = false;
    return policy;
}

std::string not_enforceable_by_lmtp(const Tls_policy &policy)
{
    const std::pair<std::string_view, bool> asked[] = {
        {"ca_file", !policy.ca_file.empty()},
        {"crl_file", !policy.crl_file.empty()},
        {"verify_name", !policy.verify_name.empty()},
        {"sni", !policy.sni.empty()},
        {"pin_sha256", !policy.pins.empty()},
        {"certificate", !policy.certificate_file.empty()},
        {"min_protocol", policy.min_protocol != Tls_policy{}.min_protocol},
        {"ciphers", !policy.ciphers.empty()},
        {"ciphersuites", !policy.ciphersuites.empty()},
    };
    std::string settings;
    for (const auto &[setting, is_asked] : asked) {
        if (is_asked)
            settings += (settings.empty() ? "" : ", ") + std::string(setting);
    }
    return settings;
}

std::string format_pin(const Spki_pin &pin)
{
    return encode_base64({reinterpret_cast<const char *>(pin.data()), pin.size()});
}

} // namespace proxymap
