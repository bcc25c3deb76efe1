// Parses the files of a TLS policy and gives them to OpenSSL.
#include "policy_material.h"

#include "peer_report.h"

#include <algorithm>
#include <string_view>

#include <openssl/pem.h>
#include <openssl/x509v3.h>

namespace proxymap {

namespace {

Error blame(const Tls_policy &policy, const char *setting, const std::string &what)
{
    return Error{"tls_policy " + policy.name + ": " + setting + ": " + what};
}

// Without one OpenSSL asks for a passphrase on the terminal.
int no_passphrase(char *, int, int, void *)
{
    return -1;
}

Bio_ptr reader_of(const std::string &pem)
{
    return Bio_ptr(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
}

bool was_end_of_file()
{
    const unsigned long error = ERR_peek_last_error();
    return ERR_GET_LIB(error) == ERR_LIB_PEM && ERR_GET_REASON(error) == PEM_R_NO_START_LINE;
}

// All blocks of one kind, at least one; `read` skips those of other kinds.
template <typename Pointer, auto read>
Result<std::vector<Pointer>> read_blocks(const std::string &path, const std::string &pem,
                                         const std::string &kind)
{
    std::vector<Pointer> blocks;
    const Bio_ptr bio = reader_of(pem);
    if (bio == nullptr)
        return Error{path + ": " + Own_openssl_errors::newest()};
    while (Pointer block{read(bio.get(), nullptr, no_passphrase, nullptr)})
        blocks.push_back(std::move(block));
    if (!was_end_of_file())
        return Error{path + ": " + kind + " " + std::to_string(blocks.size() + 1) +
                     " of the file cannot be read: " + Own_openssl_errors::newest()};
    if (blocks.empty())
        return Error{path + " holds no " + kind + " in PEM"};
    return blocks;
}

Result<std::vector<Certificate_ptr>> read_certificates(const std::string &path,
                                                       const std::string &pem)
{
    return read_blocks<Certificate_ptr, PEM_read_bio_X509>(path, pem, "certificate");
}

Result<std::vector<Crl_ptr>> read_crls(const std::string &path, const std::string &pem)
{
    return read_blocks<Crl_ptr, PEM_read_bio_X509_CRL>(path, pem, "revocation list (X509 CRL)");
}

Result<Done> add_cas(const Tls_policy &policy, const Policy_files &files, Policy_material *material)
{
    Result<std::vector<Certificate_ptr>> cas = read_certificates(policy.ca_file, files.ca);
    if (!cas)
        return blame(policy, "ca_file", cas.error().message);
    for (const Certificate_ptr &ca : *cas) {
        if (X509_STORE_add_cert(material->store.get(), ca.get()) != 1)
            return blame(policy, "ca_file", policy.ca_file + ": " + Own_openssl_errors::newest());
    }
    return Done{};
}

Result<Done> add_crls(const Tls_policy &policy, const Policy_files &files,
                      Policy_material *material)
{
    Result<std::vector<Crl_ptr>> crls = read_crls(policy.crl_file, files.crl);
    if (!crls)
        return blame(policy, "crl_file", crls.error().message);
    for (const Crl_ptr &crl : *crls) {
        if (X509_STORE_add_crl(material->store.get(), crl.get()) != 1)
            return blame(policy, "crl_file", policy.crl_file + ": " + Own_openssl_errors::newest());
        const ASN1_TIME *next = X509_CRL_get0_nextUpdate(crl.get());
        if (std::optional<std::time_t> time = next != nullptr ? to_time_t(next) : std::nullopt)
            material->next_updates.push_back(*time);
    }
    // MUST: CHECK_ALL alone does nothing (X509_VERIFY_PARAM_set_flags(3)).
    X509_STORE_set_flags(material->store.get(), X509_V_FLAG_CRL_CHECK | X509_V_FLAG_CRL_CHECK_ALL);
    return Done{};
}

Result<Done> add_own_certificate(const Tls_policy &policy, const Policy_files &files,
                                 Policy_material *material)
{
    Result<std::vector<Certificate_ptr>> own =
        read_certificates(policy.certificate_file, files.certificate);
    if (!own)
        return blame(policy, "certificate", own.error().message);
    material->certificate = std::move(own->front());
    for (std::size_t i = 1; i < own->size(); i++) {
        if (sk_X509_push(material->chain.get(), (*own)[i].get()) == 0)
            return blame(policy, "certificate", "out of memory");
        (void)(*own)[i].release(); // the chain's now
    }
    return Done{};
}

Result<Done> add_key(const Tls_policy &policy, const Policy_files &files, Policy_material *material)
{
    Bio_ptr bio = reader_of(files.key);
    if (bio != nullptr)
        material->key.reset(PEM_read_bio_PrivateKey(bio.get(), nullptr, no_passphrase, nullptr));
    if (material->key == nullptr) {
        if (files.key.find("ENCRYPTED") != std::string::npos)
            return blame(policy, "key",
                         policy.key_file + " is encrypted: nobody is there to type the passphrase; "
                                           "store the key without one (openssl pkey)");
        if (files.key.find("PRIVATE KEY-----") == std::string::npos)
            return blame(policy, "key", policy.key_file + " holds no private key in PEM");
        return blame(policy, "key",
                     policy.key_file +
                         ": the private key cannot be read: " + Own_openssl_errors::newest());
    }
    if (X509_check_private_key(material->certificate.get(), material->key.get()) != 1)
        return blame(policy, "key",
                     policy.key_file + " is not the key of the first certificate of " +
                         policy.certificate_file);
    return Done{};
}

bool context_knows_suite(SSL_CTX *context, std::string_view name)
{
    const STACK_OF(SSL_CIPHER) *ciphers = SSL_CTX_get_ciphers(context);
    for (int i = 0; i < sk_SSL_CIPHER_num(ciphers); i++) {
        if (SSL_CIPHER_get_name(sk_SSL_CIPHER_value(ciphers, i)) == name)
            return true;
    }
    return false;
}

Result<Done> use_ciphers(SSL_CTX *context, const Tls_policy &policy)
{
    if (!policy.ciphers.empty() && SSL_CTX_set_cipher_list(context, policy.ciphers.c_str()) != 1)
        return blame(policy, "ciphers", "OpenSSL knows none of them");
    if (policy.ciphersuites.empty())
        return Done{};
    if (SSL_CTX_set_ciphersuites(context, policy.ciphersuites.c_str()) != 1)
        return blame(policy, "ciphersuites",
                     "OpenSSL does not know them: " + Own_openssl_errors::newest());
    // Some versions skip what they do not know.
    std::string_view rest = policy.ciphersuites;
    while (!rest.empty()) {
        const std::string_view name = rest.substr(0, rest.find(':'));
        if (!context_knows_suite(context, name))
            return blame(policy, "ciphersuites", "OpenSSL does not know " + std::string(name));
        rest.remove_prefix(std::min(name.size() + 1, rest.size()));
    }
    return Done{};
}

// "of CN=x: expired 2026-01-01 00:00:00 UTC", or nothing.
std::string untimely(const std::string &what, const ASN1_TIME *from, const ASN1_TIME *to,
                     std::time_t now)
{
    if (from != nullptr && X509_cmp_time(from, &now) > 0)
        return what + " is not valid before " + format_time(from) + " UTC";
    if (to != nullptr && X509_cmp_time(to, &now) < 0)
        return what + " has expired, at " + format_time(to) + " UTC";
    return {};
}

void warn_of_certificates(const std::vector<Certificate_ptr> &certificates,
                          const std::string &where, bool must_be_cas, std::time_t now,
                          std::vector<std::string> *warnings)
{
    for (const Certificate_ptr &certificate : certificates) {
        const std::string what =
            where + ": the certificate of " + format_name(X509_get_subject_name(certificate.get()));
        const std::string warning = untimely(what, X509_get0_notBefore(certificate.get()),
                                             X509_get0_notAfter(certificate.get()), now);
        if (!warning.empty())
            warnings->push_back(warning);
        // A self-signed one may well stand for itself.
        const bool self_signed =
            X509_check_issued(certificate.get(), certificate.get()) == X509_V_OK;
        if (must_be_cas && !self_signed && X509_check_ca(certificate.get()) == 0)
            warnings->push_back(what + " is not that of a CA: only this very certificate is "
                                       "trusted by it");
    }
}

void warn_of_crls(const std::vector<Crl_ptr> &crls, const std::string &where, std::time_t now,
                  std::vector<std::string> *warnings)
{
    for (const Crl_ptr &crl : crls) {
        const std::string what =
            where + ": the list of " + format_name(X509_CRL_get_issuer(crl.get()));
        const std::string warning = untimely(what, X509_CRL_get0_lastUpdate(crl.get()),
                                             X509_CRL_get0_nextUpdate(crl.get()), now);
        if (!warning.empty())
            warnings->push_back(warning);
    }
}

} // namespace

Result<Policy_material> parse_policy_files(const Tls_policy &policy, const Policy_files &files)
{
    const Own_openssl_errors own_errors;
    Policy_material material;
    material.store.reset(X509_STORE_new());
    material.chain.reset(sk_X509_new_null());
    if (material.store == nullptr || material.chain == nullptr)
        return Error{"tls_policy " + policy.name + ": out of memory"};
    // "Ends in one of these CAs" (tls_policy.h), which need not be a root.
    X509_STORE_set_flags(material.store.get(), X509_V_FLAG_PARTIAL_CHAIN);

    using Add = Result<Done>(const Tls_policy &, const Policy_files &, Policy_material *);
    const std::pair<Add *, bool> steps[] = {
        {add_cas, !policy.ca_file.empty()},
        {add_crls, !policy.crl_file.empty()},
        {add_own_certificate, !policy.certificate_file.empty()},
        {add_key, !policy.key_file.empty()},
    };
    for (const auto &[add, is_named] : steps) {
        if (!is_named)
            continue;
        if (Result<Done> done = add(policy, files, &material); !done)
            return done.error();
    }
    return material;
}

Result<Done> use_policy_material(SSL_CTX *context, const Tls_policy &policy,
                                 const Policy_material &material)
{
    const Own_openssl_errors own_errors;
    if (Result<Done> done = use_ciphers(context, policy); !done)
        return done.error();
    const long oldest = policy.min_protocol == "TLSv1.3" ? TLS1_3_VERSION : TLS1_2_VERSION;
    if (SSL_CTX_get_min_proto_version(context) < oldest &&
        SSL_CTX_set_min_proto_version(context, oldest) != 1)
        return blame(policy, "min_protocol", "OpenSSL speaks no " + policy.min_protocol);
    SSL_CTX_set1_cert_store(context, material.store.get());
    if (material.certificate != nullptr &&
        SSL_CTX_use_cert_and_key(context, material.certificate.get(), material.key.get(),
                                 material.chain.get(), 1) != 1)
        return blame(policy, "certificate",
                     policy.certificate_file +
                         ": OpenSSL does not take it: " + Own_openssl_errors::newest());
    return Done{};
}

Result<std::vector<std::string>> check_policy_files(const Tls_policy &policy,
                                                    const Policy_files &files, std::time_t now)
{
    const Own_openssl_errors own_errors;
    Result<Policy_material> material = parse_policy_files(policy, files);
    if (!material)
        return material.error();
    Ssl_ctx_ptr context(SSL_CTX_new(TLS_client_method()));
    if (context == nullptr)
        return Error{"tls_policy " + policy.name + ": " + Own_openssl_errors::newest()};
    if (Result<Done> done = use_policy_material(context.get(), policy, *material); !done)
        return done.error();

    // The files are known to parse.
    std::vector<std::string> warnings;
    const std::string prefix = "tls_policy " + policy.name + ": ";
    if (!policy.ca_file.empty())
        warn_of_certificates(*read_certificates(policy.ca_file, files.ca),
                             prefix + "ca_file " + policy.ca_file, true, now, &warnings);
    if (!policy.certificate_file.empty())
        warn_of_certificates(*read_certificates(policy.certificate_file, files.certificate),
                             prefix + "certificate " + policy.certificate_file, false, now,
                             &warnings);
    if (!policy.crl_file.empty())
        warn_of_crls(*read_crls(policy.crl_file, files.crl), prefix + "crl_file " + policy.crl_file,
                     now, &warnings);
    return warnings;
}

} // namespace proxymap
