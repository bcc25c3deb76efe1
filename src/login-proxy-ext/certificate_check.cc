// Judges the certificate of a backend: chain, name, revocation, pins.
#include "certificate_check.h"

#include "../core/ip.h"
#include "peer_report.h"

#include <algorithm>
#include <limits>

#include <openssl/x509v3.h>

namespace proxymap {

namespace {

constexpr std::time_t end_of_time = std::numeric_limits<std::time_t>::max();

// A name that is written with its final dot is the same name, and no certificate has the dot.
std::string without_final_dot(const std::string &name)
{
    return name.ends_with('.') ? name.substr(0, name.size() - 1) : name;
}

// A leading dot would make OpenSSL accept every subdomain (X509_check_host(3)).
bool can_be_verified(const std::string &name)
{
    return !name.empty() && !name.starts_with('.') && name.find('\0') == std::string::npos;
}

// Dovecot's own callback overrides errors where it was told to accept any certificate.
int keep_verdict(int ok, X509_STORE_CTX *)
{
    return ok;
}

class Check {
  public:
    Check(X509_STORE_CTX *store_context, const Tls_policy &policy, const std::string &host)
        : store_context_(store_context), policy_(policy), name_(name_to_verify(policy, host)),
          leaf_(X509_STORE_CTX_get0_cert(store_context))
    {
    }

    Certificate_check run();

  private:
    // Each says what is wrong, or nothing.
    std::string find_fault();
    std::string find_fault_of_chain();
    std::string find_fault_of_name();
    std::string find_fault_of_pin();

    std::string describe_error() const;
    std::time_t end_of_chain() const;

    X509_STORE_CTX *store_context_;
    const Tls_policy &policy_;
    std::string name_;
    X509 *leaf_;
};

Certificate_check Check::run()
{
    // For every way out but the last; X509_verify_cert() sets its own.
    X509_STORE_CTX_set_error(store_context_, X509_V_ERR_APPLICATION_VERIFICATION);
    if (leaf_ == nullptr)
        return {false, "the backend sent no certificate", 0};
    if (const std::string fault = find_fault(); !fault.empty()) {
        if (X509_STORE_CTX_get_error(store_context_) == X509_V_OK)
            X509_STORE_CTX_set_error(store_context_, X509_V_ERR_APPLICATION_VERIFICATION);
        return {false,
                fault + "; expected one " + describe_expectation(policy_, name_) + "; came " +
                    describe_certificate(leaf_),
                0};
    }
    X509_STORE_CTX_set_error(store_context_, X509_V_OK);
    return {true, {}, policy_.checks_chain() ? end_of_chain() : end_of_time};
}

std::string Check::find_fault()
{
    if (policy_.any_cert)
        return {};
    if (!policy_.checks_chain() && !policy_.checks_pins())
        return "the policy trusts nothing"; // the parser lets none such pass
    if (policy_.checks_name() && !can_be_verified(name_))
        return "there is no name that it could be compared with";
    std::string fault;
    if (policy_.checks_chain())
        fault = find_fault_of_chain(); // and of the name
    else if (policy_.checks_name())
        fault = find_fault_of_name();
    if (fault.empty() && policy_.checks_pins())
        fault = find_fault_of_pin();
    return fault;
}

std::string Check::find_fault_of_chain()
{
    X509_VERIFY_PARAM *param = X509_STORE_CTX_get0_param(store_context_);
    const bool is_address = parse_ip(name_).has_value();
    X509_VERIFY_PARAM_set_hostflags(param, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    const bool is_set = X509_VERIFY_PARAM_set_purpose(param, X509_PURPOSE_SSL_SERVER) == 1 &&
                        X509_VERIFY_PARAM_set1_host(param, is_address ? nullptr : name_.c_str(),
                                                    is_address ? 0 : name_.size()) == 1 &&
                        (!is_address || X509_VERIFY_PARAM_set1_ip_asc(param, name_.c_str()) == 1);
    if (!is_set)
        return "OpenSSL cannot compare it with " + printable(name_, 256);
    X509_STORE_CTX_set_verify_cb(store_context_, keep_verdict);
    X509_STORE_CTX_set_error(store_context_, X509_V_OK);
    if (X509_verify_cert(store_context_) == 1 &&
        X509_STORE_CTX_get_error(store_context_) == X509_V_OK)
        return {};
    return describe_error();
}

std::string Check::find_fault_of_name()
{
    const bool matches = parse_ip(name_)
                             ? X509_check_ip_asc(leaf_, name_.c_str(), 0) == 1
                             : X509_check_host(leaf_, name_.c_str(), name_.size(),
                                               X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS, nullptr) == 1;
    return matches ? "" : "it has another name";
}

std::string Check::find_fault_of_pin()
{
    // MUST: of the leaf alone (tls_policy.h).
    const std::optional<Spki_pin> pin = spki_pin(leaf_);
    if (pin && std::find(policy_.pins.begin(), policy_.pins.end(), *pin) != policy_.pins.end())
        return {};
    return "its key is none of the pins";
}

std::string Check::describe_error() const
{
    std::string text = X509_verify_cert_error_string(X509_STORE_CTX_get_error(store_context_));
    const int depth = X509_STORE_CTX_get_error_depth(store_context_);
    const X509 *current = X509_STORE_CTX_get_current_cert(store_context_);
    if (depth > 0 && current != nullptr && current != leaf_)
        text += " (of the CA \"" + format_name(X509_get_subject_name(current)) + "\", valid " +
                format_time(X509_get0_notBefore(current)) + " to " +
                format_time(X509_get0_notAfter(current)) + " UTC)";
    return text;
}

std::time_t Check::end_of_chain() const
{
    const STACK_OF(X509) *chain = X509_STORE_CTX_get0_chain(store_context_);
    std::time_t end = sk_X509_num(chain) > 0 ? end_of_time : 0;
    for (int i = 0; i < sk_X509_num(chain); i++)
        end = std::min(end, to_time_t(X509_get0_notAfter(sk_X509_value(chain, i))).value_or(0));
    return end;
}

} // namespace

std::string name_to_verify(const Tls_policy &policy, const std::string &host)
{
    return without_final_dot(policy.verify_name.empty() ? host : policy.verify_name);
}

std::string name_to_send(const Tls_policy &policy, const std::string &host)
{
    const std::string name = without_final_dot(!policy.sni.empty()           ? policy.sni
                                               : !policy.verify_name.empty() ? policy.verify_name
                                                                             : host);
    // An address as a colon shows it is one, even if it is no proper one.
    return parse_ip(name) || name.find(':') != std::string::npos ? "" : name;
}

Certificate_check check_certificate(X509_STORE_CTX *store_context, const Tls_policy &policy,
                                    const std::string &host)
{
    const Own_openssl_errors own_errors;
    return Check(store_context, policy, host).run();
}

} // namespace proxymap
