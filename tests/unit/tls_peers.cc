// Makes certificates and lets a client and a server shake hands.
#include "tls_peers.h"

#include <atomic>
#include <stdexcept>

#include <openssl/pem.h>
#include <openssl/x509v3.h>

namespace proxymap {

namespace {

void must(bool condition, const char *what)
{
    if (!condition)
        throw std::runtime_error(std::string("cannot make a test's ") + what + ": " +
                                 Own_openssl_errors::newest());
}

std::string text_of(BIO *bio)
{
    char *text = nullptr;
    const long length = BIO_get_mem_data(bio, &text);
    return {text, static_cast<std::size_t>(length)};
}

void add_extension(X509 *certificate, X509 *issuer, int nid, const std::string &value)
{
    if (value.empty())
        return;
    X509V3_CTX context;
    X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(nullptr, &context, nid, value.c_str());
    must(extension != nullptr && X509_add_ext(certificate, extension, -1) == 1, "extension");
    X509_EXTENSION_free(extension);
}

// Moves what one side has written to the other.
struct Link {
    explicit Link(SSL *client, SSL *server)
    {
        BIO *ours = nullptr;
        BIO *theirs = nullptr;
        must(BIO_new_bio_pair(&ours, 0, &theirs, 0) == 1, "pair of BIOs");
        SSL_set_bio(client, ours, ours);
        SSL_set_bio(server, theirs, theirs);
    }
};

std::string read_all(SSL *ssl)
{
    std::string text;
    char buffer[256];
    for (int got = 0; (got = SSL_read(ssl, buffer, sizeof(buffer))) > 0;)
        text.append(buffer, static_cast<std::size_t>(got));
    return text;
}

bool wants_more(SSL *ssl, int result)
{
    const int error = SSL_get_error(ssl, result);
    return error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE;
}

// As Dovecot's openssl_iostream_verify_client_cert() with allow_invalid_cert.
int accept_any(int, X509_STORE_CTX *)
{
    return 1;
}

} // namespace

Identity make_identity(const Identity_wish &wish)
{
    static std::atomic<long> serial = 1;
    Identity identity{Certificate_ptr(X509_new()), Key_ptr(EVP_EC_gen("P-256"))};
    X509 *const certificate = identity.certificate.get();
    X509 *const issuer = wish.issuer != nullptr ? wish.issuer->certificate.get() : certificate;
    must(identity.key != nullptr && certificate != nullptr, "key");
    X509_set_version(certificate, X509_VERSION_3);
    ASN1_INTEGER_set(X509_get_serialNumber(certificate), serial++);
    X509_gmtime_adj(X509_getm_notBefore(certificate), wish.from);
    X509_gmtime_adj(X509_getm_notAfter(certificate), wish.to);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate), "CN", MBSTRING_UTF8,
                               reinterpret_cast<const unsigned char *>(wish.common_name.data()),
                               static_cast<int>(wish.common_name.size()), -1, 0);
    X509_set_issuer_name(certificate, X509_get_subject_name(issuer));
    X509_set_pubkey(certificate, identity.key.get());
    add_extension(certificate, issuer, NID_basic_constraints,
                  wish.is_ca ? "critical,CA:TRUE" : "CA:FALSE");
    add_extension(certificate, issuer, NID_subject_key_identifier, "hash");
    if (wish.is_ca)
        add_extension(certificate, issuer, NID_key_usage, "keyCertSign,cRLSign,digitalSignature");
    add_extension(certificate, issuer, NID_subject_alt_name, wish.names);
    add_extension(certificate, issuer, NID_ext_key_usage, wish.purpose);
    EVP_PKEY *signer = wish.issuer != nullptr ? wish.issuer->key.get() : identity.key.get();
    must(X509_sign(certificate, signer, EVP_sha256()) > 0, "certificate");
    return identity;
}

std::string to_pem(const Identity &identity)
{
    const Bio_ptr bio(BIO_new(BIO_s_mem()));
    must(PEM_write_bio_X509(bio.get(), identity.certificate.get()) == 1, "PEM");
    return text_of(bio.get());
}

std::string key_to_pem(const Identity &identity)
{
    const Bio_ptr bio(BIO_new(BIO_s_mem()));
    must(PEM_write_bio_PrivateKey(bio.get(), identity.key.get(), nullptr, nullptr, 0, nullptr,
                                  nullptr) == 1,
         "PEM");
    return text_of(bio.get());
}

std::string make_crl(const Identity &ca, const std::vector<const Identity *> &revoked,
                     long next_update)
{
    const Crl_ptr crl(X509_CRL_new());
    X509_CRL_set_version(crl.get(), X509_CRL_VERSION_2);
    X509_CRL_set_issuer_name(crl.get(), X509_get_subject_name(ca.certificate.get()));
    ASN1_TIME *time = X509_gmtime_adj(nullptr, -2 * day);
    X509_CRL_set1_lastUpdate(crl.get(), time);
    X509_gmtime_adj(time, next_update);
    X509_CRL_set1_nextUpdate(crl.get(), time);
    for (const Identity *identity : revoked) {
        X509_REVOKED *entry = X509_REVOKED_new();
        X509_REVOKED_set_serialNumber(entry, X509_get_serialNumber(identity->certificate.get()));
        X509_REVOKED_set_revocationDate(
            entry, const_cast<ASN1_TIME *>(X509_CRL_get0_lastUpdate(crl.get())));
        X509_CRL_add0_revoked(crl.get(), entry);
    }
    ASN1_TIME_free(time);
    must(X509_CRL_sign(crl.get(), ca.key.get(), EVP_sha256()) > 0, "CRL");
    const Bio_ptr bio(BIO_new(BIO_s_mem()));
    must(PEM_write_bio_X509_CRL(bio.get(), crl.get()) == 1, "PEM");
    return text_of(bio.get());
}

Ssl_ctx_ptr make_server(const Identity &identity, const std::vector<const Identity *> &chain)
{
    Ssl_ctx_ptr server(SSL_CTX_new(TLS_server_method()));
    must(SSL_CTX_use_certificate(server.get(), identity.certificate.get()) == 1 &&
             SSL_CTX_use_PrivateKey(server.get(), identity.key.get()) == 1,
         "server");
    for (const Identity *above : chain)
        must(SSL_CTX_add1_chain_cert(server.get(), above->certificate.get()) == 1, "chain");
    static const unsigned char session_id_context[] = "test";
    SSL_CTX_set_session_id_context(server.get(), session_id_context, 4);
    return server;
}

void demand_client_certificate(SSL_CTX *server, const Identity &ca)
{
    X509_STORE_add_cert(SSL_CTX_get_cert_store(server), ca.certificate.get());
    SSL_CTX_set_verify(server, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
}

Ssl_ctx_ptr make_client()
{
    Ssl_ctx_ptr client(SSL_CTX_new(TLS_client_method()));
    must(client != nullptr, "client");
    // ssl_require_crl = yes is Dovecot's default, and its contexts have no CRLs.
    X509_STORE_set_flags(SSL_CTX_get_cert_store(client.get()),
                         X509_V_FLAG_CRL_CHECK | X509_V_FLAG_CRL_CHECK_ALL);
    return client;
}

Backend_tls::Finder find_by_app_data()
{
    return [](SSL *ssl) { return static_cast<Backend_handshake *>(SSL_get_app_data(ssl)); };
}

Meeting meet(Backend_tls &policy, SSL_CTX *client_context, SSL_CTX *server_context,
             const Meeting_wish &wish)
{
    Meeting meeting;
    meeting.handshake.policy = &policy;
    meeting.handshake.host = wish.host;
    meeting.handshake.address = wish.address;
    const Ssl_ptr client(SSL_new(client_context));
    const Ssl_ptr server(SSL_new(server_context));
    const Link link(client.get(), server.get());
    SSL_set_app_data(client.get(), &meeting.handshake);
    // As openssl_iostream_create() and openssl_iostream_set(), at their worst.
    SSL_set_tlsext_host_name(client.get(), const_cast<char *>(wish.host.c_str()));
    SSL_set_min_proto_version(client.get(), TLS1_VERSION);
    SSL_set_verify(client.get(), SSL_VERIFY_NONE, accept_any);
    if (wish.before)
        wish.before(client.get());

    bool server_goes_on = true;
    for (;;) {
        ERR_clear_error();
        const int done = SSL_connect(client.get());
        if (done == 1) {
            meeting.connected = true;
            break;
        }
        if (!wants_more(client.get(), done) || !server_goes_on) {
            meeting.error = Own_openssl_errors::newest();
            break;
        }
        const int accepted = SSL_accept(server.get());
        server_goes_on = accepted == 1 || wants_more(server.get(), accepted);
    }
    if (meeting.connected) {
        policy.finish(client.get(), &meeting.handshake);
        if (wish.forget)
            SSL_set_app_data(client.get(), nullptr);
        SSL_write(client.get(), "secret", 6);
        if (SSL_accept(server.get()) == 1)
            SSL_write(server.get(), "* OK", 4);
        meeting.sent_to = read_all(server.get());
        ERR_clear_error();
        read_all(client.get()); // tickets, and alerts of TLS 1.3 about the client's certificate
        if (ERR_peek_last_error() != 0)
            meeting.error = Own_openssl_errors::newest();
        if (wish.end) {
            wish.end(client.get(), server.get());
        } else {
            SSL_shutdown(client.get());
            SSL_shutdown(server.get());
        }
    } else {
        // Whatever the client still sent.
        SSL_accept(server.get());
        meeting.sent_to = read_all(server.get());
    }
    if (const char *name = SSL_get_servername(server.get(), TLSEXT_NAMETYPE_host_name))
        meeting.asked_for = name;
    if (const Certificate_ptr shown{SSL_get1_peer_certificate(server.get())}) {
        const Bio_ptr bio(BIO_new(BIO_s_mem()));
        X509_NAME_print_ex(bio.get(), X509_get_subject_name(shown.get()), 0, XN_FLAG_RFC2253);
        meeting.shown = text_of(bio.get());
    }
    SSL_set_app_data(client.get(), nullptr);
    ERR_clear_error();
    return meeting;
}

} // namespace proxymap
