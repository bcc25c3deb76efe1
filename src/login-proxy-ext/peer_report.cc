// Turns a certificate into text for a log line.
//
// Must never let a byte of it through that is not printable ASCII.
#include "peer_report.h"

#include "../core/ip.h"
#include "../core/text.h"

#include <algorithm>
#include <array>

#include <openssl/asn1.h>
#include <openssl/sha.h>
#include <openssl/x509v3.h>

namespace proxymap {

namespace {

constexpr std::size_t max_name_bytes = 256;
constexpr int max_alternative_names = 16;
constexpr std::size_t max_names_bytes = 400;
constexpr std::size_t max_shown_pins = 4;

// What cannot stand in a host name becomes '?', so that no name looks like two, or like the rest of
// the line.
std::string format_host_name(const ASN1_STRING *string)
{
    std::string text = printable({reinterpret_cast<const char *>(ASN1_STRING_get0_data(string)),
                                  static_cast<std::size_t>(ASN1_STRING_length(string))},
                                 max_name_bytes);
    std::replace_if(
        text.begin(), text.end(),
        [](char c) {
            return !is_alnum(c) && std::string_view("*._-").find(c) == std::string::npos;
        },
        '?');
    return text;
}

std::string format_address(const ASN1_OCTET_STRING *string)
{
    const int length = ASN1_STRING_length(string);
    if (length != 4 && length != 16)
        return "?";
    Ip ip;
    ip.v6 = length == 16;
    std::copy_n(ASN1_STRING_get0_data(string), length, ip.bytes.begin());
    return format_ip(ip);
}

// The DNS names and IP addresses; nothing else of them is ever compared.
std::string format_alternative_names(const X509 *certificate)
{
    struct Free_names {
        void operator()(GENERAL_NAMES *names) const { GENERAL_NAMES_free(names); }
    };
    const std::unique_ptr<GENERAL_NAMES, Free_names> names(static_cast<GENERAL_NAMES *>(
        X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr)));
    std::string text;
    int shown = 0;
    for (int i = 0; names != nullptr && i < sk_GENERAL_NAME_num(names.get()); i++) {
        const GENERAL_NAME *name = sk_GENERAL_NAME_value(names.get(), i);
        if (name->type != GEN_DNS && name->type != GEN_IPADD)
            continue;
        if (shown++ == max_alternative_names)
            return printable(text, max_names_bytes) + " ...";
        text += text.empty() ? "" : " ";
        text += name->type == GEN_DNS ? format_host_name(name->d.dNSName)
                                      : format_address(name->d.iPAddress);
    }
    return text.empty() ? "none" : printable(text, max_names_bytes);
}

} // namespace

std::string printable(std::string_view text, std::size_t max_bytes)
{
    std::string out(text.substr(0, max_bytes));
    for (char &c : out) {
        if (c < ' ' || c > '~')
            c = '?';
    }
    return text.size() > max_bytes ? out + "..." : out;
}

std::optional<Spki_pin> spki_pin(const X509 *certificate)
{
    const Own_openssl_errors own_errors;
    unsigned char *bytes = nullptr;
    const int length = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(certificate), &bytes);
    if (length <= 0)
        return std::nullopt;
    Spki_pin pin;
    SHA256(bytes, static_cast<std::size_t>(length), pin.data());
    OPENSSL_free(bytes);
    return pin;
}

std::optional<std::time_t> to_time_t(const ASN1_TIME *time)
{
    const Own_openssl_errors own_errors;
    std::tm parts{};
    if (ASN1_TIME_to_tm(time, &parts) != 1)
        return std::nullopt;
    return timegm(&parts);
}

std::string format_time(const ASN1_TIME *time)
{
    const Own_openssl_errors own_errors;
    std::tm parts{};
    std::array<char, 32> text{};
    if (ASN1_TIME_to_tm(time, &parts) != 1 ||
        std::strftime(text.data(), text.size(), "%Y-%m-%d %H:%M:%S", &parts) == 0)
        return "?";
    return text.data();
}

std::string format_name(const X509_NAME *name)
{
    const Own_openssl_errors own_errors;
    const Bio_ptr bio(BIO_new(BIO_s_mem()));
    char *text = nullptr;
    if (bio == nullptr || X509_NAME_print_ex(bio.get(), name, 0, XN_FLAG_RFC2253) < 0)
        return "?";
    const long length = BIO_get_mem_data(bio.get(), &text);
    if (length <= 0)
        return "(empty)";
    return printable({text, static_cast<std::size_t>(length)}, max_name_bytes);
}

std::string describe_certificate(const X509 *certificate)
{
    const Own_openssl_errors own_errors;
    const std::optional<Spki_pin> pin = spki_pin(certificate);
    // RFC 2253 escapes quotes, so a name cannot end where it likes.
    return "subject \"" + format_name(X509_get_subject_name(certificate)) + "\", issuer \"" +
           format_name(X509_get_issuer_name(certificate)) + "\", pin " +
           (pin ? format_pin(*pin) : "?") + ", names " + format_alternative_names(certificate) +
           ", valid " + format_time(X509_get0_notBefore(certificate)) + " to " +
           format_time(X509_get0_notAfter(certificate)) + " UTC";
}

std::string describe_expectation(const Tls_policy &policy, const std::string &name)
{
    std::string text;
    auto add = [&text](const std::string &demand) { text += (text.empty() ? "" : ", ") + demand; };
    if (policy.checks_chain())
        add("signed by a CA of " + printable(policy.ca_file, max_name_bytes));
    if (!policy.crl_file.empty())
        add("not revoked by " + printable(policy.crl_file, max_name_bytes));
    if (policy.checks_name())
        add("named " + printable(name, max_name_bytes));
    if (policy.checks_pins()) {
        std::string pins = policy.pins.size() == 1 ? "with the pin" : "with one of the pins";
        for (std::size_t i = 0; i < policy.pins.size() && i < max_shown_pins; i++)
            pins += " " + format_pin(policy.pins[i]);
        if (policy.pins.size() > max_shown_pins)
            pins += " and " + std::to_string(policy.pins.size() - max_shown_pins) + " more";
        add(pins);
    }
    return text.empty() ? "any" : text;
}

} // namespace proxymap
