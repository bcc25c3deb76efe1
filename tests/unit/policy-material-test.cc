// Parsing a policy's files: what is an error, what is worth a warning.
#include "login-proxy-ext/policy_material.h"

#include "tls_peers.h"

#include <CppUTest/TestHarness.h>

using namespace proxymap;

namespace {

// A key under a passphrase: `openssl genpkey -algorithm ed25519 -aes256 -pass pass:secret`.
constexpr const char *encrypted_key = R"(-----BEGIN ENCRYPTED PRIVATE KEY-----
MIGbMFcGCSqGSIb3DQEFDTBKMCkGCSqGSIb3DQEFDDAcBAhHFU6f27j/twICCAAw
DAYIKoZIhvcNAgkFADAdBglghkgBZQMEASoEEPdUwTrqCTUWzmoyPgjojEAEQI7D
DUtXNWm/8yfDCgN/AxKAxKXOLql0ZDgG/4ETrpDjr57+n7yqaLX12DOwFiBwb++4
50PV4MnD3M3GDBEpPGQ=
-----END ENCRYPTED PRIVATE KEY-----
)";

} // namespace

TEST_GROUP(policy_material)
{
    Identity ca = make_identity({.common_name = "Our CA", .is_ca = true});
    Identity proxy = make_identity({.common_name = "proxy", .issuer = &ca});
    Tls_policy policy;
    Policy_files files;
    std::time_t now = std::time(nullptr);

    void setup() override
    {
        policy.name = "strict";
        policy.ca_file = "/ca";
        files.ca = to_pem(ca);
        ERR_clear_error();
    }
    void teardown() override
    {
        CHECK(ERR_peek_error() == 0);
    }

    void with_client_certificate()
    {
        policy.certificate_file = "/cert";
        policy.key_file = "/key";
        files.certificate = to_pem(proxy);
        files.key = key_to_pem(proxy);
    }

    std::string refusal()
    {
        const auto warnings = check_policy_files(policy, files, now);
        CHECK(!warnings.ok());
        return warnings.error().message;
    }

    std::vector<std::string> warnings()
    {
        const auto found = check_policy_files(policy, files, now);
        CHECK_TEXT(found.ok(), found.ok() ? "" : found.error().message.c_str());
        return *found;
    }

    void check_warning(const std::string &part)
    {
        const std::vector<std::string> found = warnings();
        UNSIGNED_LONGS_EQUAL(1, found.size());
        CHECK_TEXT(found[0].starts_with("tls_policy strict: "), found[0].c_str());
        CHECK_TEXT(found[0].find(part) != std::string::npos, found[0].c_str());
    }
};

TEST(policy_material, good_files_give_no_warning)
{
    with_client_certificate();
    policy.crl_file = "/crl";
    files.crl = make_crl(ca, {});
    policy.ciphers = "ECDHE+AESGCM:!aNULL:!eNULL";
    policy.ciphersuites = "TLS_AES_256_GCM_SHA384:TLS_AES_128_GCM_SHA256";
    policy.min_protocol = "TLSv1.3";
    UNSIGNED_LONGS_EQUAL(0, warnings().size());
}

TEST(policy_material, a_ca_file_without_certificate_is_an_error)
{
    files.ca = "nothing\n";
    STRCMP_EQUAL("tls_policy strict: ca_file: /ca holds no certificate in PEM", refusal().c_str());
    files.ca = key_to_pem(proxy);
    STRCMP_EQUAL("tls_policy strict: ca_file: /ca holds no certificate in PEM", refusal().c_str());
}

TEST(policy_material, a_bundle_with_one_broken_certificate_is_an_error)
{
    files.ca += "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n" + to_pem(proxy);
    CHECK(refusal().starts_with(
        "tls_policy strict: ca_file: /ca: certificate 2 of the file cannot be read: "));
    files.ca = to_pem(ca) + to_pem(ca).substr(0, 200);
    CHECK(refusal().find("certificate 2") != std::string::npos);
}

TEST(policy_material, a_crl_file_without_list_is_an_error)
{
    policy.crl_file = "/crl";
    files.crl = to_pem(ca);
    STRCMP_EQUAL("tls_policy strict: crl_file: /crl holds no revocation list (X509 CRL) in PEM",
                 refusal().c_str());
}

TEST(policy_material, the_key_must_be_that_of_the_certificate)
{
    with_client_certificate();
    files.key = key_to_pem(ca);
    STRCMP_EQUAL("tls_policy strict: key: /key is not the key of the first certificate of /cert",
                 refusal().c_str());
    files.key = to_pem(proxy);
    STRCMP_EQUAL("tls_policy strict: key: /key holds no private key in PEM", refusal().c_str());
}

TEST(policy_material, an_encrypted_key_is_an_error_and_asks_nobody)
{
    with_client_certificate();
    files.key = encrypted_key;
    CHECK(refusal().starts_with("tls_policy strict: key: /key is encrypted"));
}

TEST(policy_material, the_chain_is_sent_along)
{
    with_client_certificate();
    files.certificate += to_pem(ca);
    const auto material = parse_policy_files(policy, files);
    CHECK(material.ok());
    LONGS_EQUAL(1, sk_X509_num(material->chain.get()));
}

TEST(policy_material, unknown_ciphers_are_an_error)
{
    policy.ciphers = "NO-SUCH-CIPHER:!aNULL";
    STRCMP_EQUAL("tls_policy strict: ciphers: OpenSSL knows none of them", refusal().c_str());
    policy.ciphers = "";
    policy.ciphersuites = "TLS_AES_256_GCM_SHA384:TLS_NO_SUCH";
    CHECK(refusal().starts_with("tls_policy strict: ciphersuites: OpenSSL does not know "));
}

TEST(policy_material, dovecots_ciphers_stay_where_the_policy_names_none)
{
    const Ssl_ctx_ptr context = make_client();
    SSL_CTX_set_cipher_list(context.get(), "ECDHE-RSA-AES256-GCM-SHA384");
    const int before = sk_SSL_CIPHER_num(SSL_CTX_get_ciphers(context.get()));
    const auto material = parse_policy_files(policy, files);
    CHECK(use_policy_material(context.get(), policy, *material).ok());
    LONGS_EQUAL(before, sk_SSL_CIPHER_num(SSL_CTX_get_ciphers(context.get())));
}

TEST(policy_material, what_is_out_of_date_is_a_warning)
{
    now += 2 * day;
    check_warning("ca_file /ca: the certificate of CN=Our CA has expired, at 20");
    now -= 4 * day;
    check_warning("ca_file /ca: the certificate of CN=Our CA is not valid before 20");
    now += 2 * day;
    policy.crl_file = "/crl";
    files.crl = make_crl(ca, {}, -day);
    check_warning("crl_file /crl: the list of CN=Our CA has expired");
    policy.crl_file = "";
    proxy = make_identity({.common_name = "proxy", .from = -2 * day, .to = -day});
    with_client_certificate();
    check_warning("certificate /cert: the certificate of CN=proxy has expired");
}

TEST(policy_material, a_ca_that_is_none_is_a_warning)
{
    files.ca += to_pem(proxy);
    check_warning("the certificate of CN=proxy is not that of a CA");
}
