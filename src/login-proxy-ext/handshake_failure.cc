// Words why there is no TLS.
#include "handshake_failure.h"

#include "peer_report.h"

namespace proxymap {

namespace {

constexpr std::size_t max_host_bytes = 256;
constexpr std::size_t max_error_bytes = 512;

std::string describe_client_certificate(const Tls_policy &policy)
{
    return "; it asked for a client certificate" +
           (policy.certificate_file.empty()
                ? std::string(", and the policy names none (certificate, key)")
                : " and was shown the one of " + policy.certificate_file);
}

// OpenSSL's reasons seldom say what was missing.
std::string describe_offer(const Tls_policy &policy)
{
    std::string text = "; spoken is " + policy.min_protocol + " or newer (min_protocol)";
    if (!policy.ciphers.empty())
        text += ", in TLS 1.2 with " + policy.ciphers + " (ciphers)";
    if (!policy.ciphersuites.empty())
        text += ", in TLS 1.3 with " + policy.ciphersuites + " (ciphersuites)";
    return text;
}

} // namespace

std::string handshake_failure(const Tls_policy &policy, const Backend_handshake &handshake,
                              std::string_view what)
{
    return printable("tls_policy " + policy.name + ": no TLS with " +
                         printable(handshake.host, max_host_bytes) + " (" +
                         printable(handshake.address, max_host_bytes) + "): " + std::string(what),
                     max_failure_bytes - 3);
}

std::string explain_handshake_failure(const Tls_policy &policy, const Backend_handshake &handshake,
                                      std::string_view error)
{
    std::string text = printable(error, max_error_bytes);
    if (handshake.alert >= 0)
        text += std::string("; the backend sent the alert \"") +
                SSL_alert_desc_string_long(handshake.alert) + "\" (" +
                std::to_string(handshake.alert) + ")";
    if (handshake.certificate_asked)
        text += describe_client_certificate(policy);
    if (handshake.session_offered)
        text += "; it was offered to resume a session, and will not be for a while";
    return handshake_failure(policy, handshake, text + describe_offer(policy));
}

} // namespace proxymap
