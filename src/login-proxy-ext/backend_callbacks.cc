// The callbacks that put a policy in force, in the order in which OpenSSL calls them.
//
// MUST: every callback that cannot find what it needs says no, and no exception leaves one.
#include "../core/clock.h"
#include "backend_tls_impl.h"
#include "certificate_check.h"
#include "handshake_failure.h"

#include <algorithm>
#include <limits>

namespace proxymap {

namespace {

void free_connection(void *, void *connection, CRYPTO_EX_DATA *, int, long, void *)
{
    const std::unique_ptr<Connection> owner(static_cast<Connection *>(connection));
}

int connection_index()
{
    static const int index = SSL_get_ex_new_index(0, nullptr, nullptr, nullptr, free_connection);
    return index;
}

int context_index()
{
    static const int index = SSL_CTX_get_ex_new_index(0, nullptr, nullptr, nullptr, nullptr);
    return index;
}

// With SSL_VERIFY_PEER a client still takes a cipher under which the server shows no certificate
// (SSL_CTX_set_verify(3)).
bool shows_certificate(const SSL_CIPHER *cipher)
{
    switch (SSL_CIPHER_get_auth_nid(cipher)) {
    case NID_auth_rsa:
    case NID_auth_dss:
    case NID_auth_ecdsa:
    case NID_auth_any: // TLS 1.3
        return true;
    default:
        return false;
    }
}

// OpenSSL makes a connection's session unusable when the connection ends without a close_notify of
// the proxy's, and Dovecot 2.4 sends none once the backend has closed. That is no reason not to
// resume it (RFC 5246, 7.2.1), so connections and the cache share none.
Session_ptr copy_of(SSL_SESSION *session)
{
    return Session_ptr(SSL_SESSION_dup(session));
}

} // namespace

Connection *connection_of(const SSL *ssl)
{
    return static_cast<Connection *>(SSL_get_ex_data(ssl, connection_index()));
}

bool hang_on(SSL *ssl, std::unique_ptr<Connection> connection)
{
    if (SSL_set_ex_data(ssl, connection_index(), connection.get()) != 1)
        return false;
    (void)connection.release(); // free_connection() frees it
    return true;
}

Backend_tls::Impl::Context *Backend_tls::Impl::context_of(const SSL_CTX *context)
{
    return static_cast<Context *>(SSL_CTX_get_ex_data(context, context_index()));
}

Backend_tls::Impl::Context *Backend_tls::Impl::context_of(const SSL *ssl)
{
    return context_of(SSL_get_SSL_CTX(ssl));
}

bool Backend_tls::Impl::hang_on(SSL_CTX *context, Context *of)
{
    return SSL_CTX_set_ex_data(context, context_index(), of) == 1;
}

int keep_verdict(int ok, X509_STORE_CTX * /* store_context */)
{
    return ok;
}

std::string destination_of(const Backend_handshake &handshake)
{
    return handshake.address.empty() ? "" : handshake.address + ' ' + handshake.host;
}

// --- right before the ClientHello ---

int Backend_tls::Impl::on_security(const SSL *ssl, const SSL_CTX *ssl_ctx, int operation, int bits,
                                   int nid, void *other, void *) noexcept
try {
    const SSL_CTX *of = ssl != nullptr ? SSL_get_SSL_CTX(ssl) : ssl_ctx;
    Context *context = context_of(of);
    if (context == nullptr || context->stock_security(ssl, ssl_ctx, operation, bits, nid, other,
                                                      context->stock_security_data) == 0)
        return 0;
    switch (operation) {
    case SSL_SECOP_VERSION:
        if (ssl == nullptr || !SSL_in_before(ssl))
            return 1;
        return context->impl->begin(const_cast<SSL *>(ssl), *context) ? 1 : 0;
    case SSL_SECOP_CIPHER_SUPPORTED:
    case SSL_SECOP_CIPHER_SHARED:
    case SSL_SECOP_CIPHER_CHECK:
        return shows_certificate(static_cast<const SSL_CIPHER *>(other)) ? 1 : 0;
    default:
        return 1;
    }
} catch (...) {
    return 0;
}

// May be called several times: Dovecot sets things on an SSL up to SSL_connect(), and that asks for
// each version.
bool Backend_tls::Impl::begin(SSL *ssl, const Context &context)
{
    SSL_set_verify(ssl, SSL_VERIFY_PEER, keep_verdict);
    const long oldest = policy.min_protocol == "TLSv1.3" ? TLS1_3_VERSION : TLS1_2_VERSION;
    if (SSL_get_min_proto_version(ssl) < oldest && SSL_set_min_proto_version(ssl, oldest) != 1)
        return false;
    if (const Connection *known = connection_of(ssl))
        return known->admitted;

    auto owner_of_new = std::make_unique<Connection>();
    Connection *connection = owner_of_new.get();
    if (!proxymap::hang_on(ssl, std::move(owner_of_new)))
        return false;
    Backend_handshake *handshake = context.finder ? context.finder(ssl) : nullptr;
    if (handshake == nullptr)
        return false;
    const std::string fault = find_obstacle(ssl, context, *handshake);
    if (!fault.empty()) {
        handshake->failure = handshake_failure(policy, *handshake, fault);
        return false;
    }
    offer_session(ssl, connection, *handshake);
    handshake->session_offered = connection->session_offered;
    handshake->begun = true;
    handshake->begun_at_us = monotonic_us();
    connection->admitted = true;
    return true;
}

std::string Backend_tls::Impl::find_obstacle(SSL *ssl, const Context &context,
                                             const Backend_handshake &handshake) const
{
    if (handshake.policy != owner)
        return "the TLS context is that of another policy";
    if (!context.is_ready)
        return context.error ? context.error->message : "the TLS context is not set up";
    std::string name = name_to_send(policy, handshake.host);
    char *const asked = name.empty() ? nullptr : name.data(); // null: Dovecot's is taken away
    if (SSL_set_tlsext_host_name(ssl, asked) != 1)
        return name + " cannot be asked for (SNI)";
    return {};
}

void Backend_tls::Impl::offer_session(SSL *ssl, Connection *connection,
                                      const Backend_handshake &handshake)
{
    if (!is_resuming())
        return;
    connection->destination = destination_of(handshake);
    if (connection->destination.empty())
        return;
    const Tls_sessions::Kept kept = sessions.take(connection->destination, clock());
    if (kept.session == nullptr)
        return;
    const Session_ptr copy = copy_of(kept.session.get());
    if (copy == nullptr || SSL_set_session(ssl, copy.get()) != 1)
        return;
    connection->session_offered = true;
    connection->verification = kept.verification;
}

// --- the certificate ---

int Backend_tls::Impl::on_verify(X509_STORE_CTX *store_context, void *) noexcept
try {
    X509_STORE_CTX_set_error(store_context, X509_V_ERR_APPLICATION_VERIFICATION);
    SSL *ssl = static_cast<SSL *>(
        X509_STORE_CTX_get_ex_data(store_context, SSL_get_ex_data_X509_STORE_CTX_idx()));
    if (ssl == nullptr)
        return 0;
    // OpenSSL reads it after this call, and goes on with any certificate under SSL_VERIFY_NONE.
    SSL_set_verify(ssl, SSL_VERIFY_PEER, keep_verdict);
    Context *context = context_of(ssl);
    return context != nullptr && context->impl->judge(ssl, store_context, *context) ? 1 : 0;
} catch (...) {
    X509_STORE_CTX_set_error(store_context, X509_V_ERR_APPLICATION_VERIFICATION);
    return 0;
}

bool Backend_tls::Impl::judge(SSL *ssl, X509_STORE_CTX *store_context, const Context &context)
{
    Connection *connection = connection_of(ssl);
    Backend_handshake *handshake = context.finder(ssl);
    if (connection == nullptr || !connection->admitted || handshake == nullptr ||
        handshake->policy != owner)
        return false;
    handshake->protocol = SSL_get_version(ssl);
    const Certificate_check check = check_certificate(store_context, policy, handshake->host);
    if (!check.passed) {
        handshake->failure =
            handshake_failure(policy, *handshake, "its certificate is refused: " + check.failure);
        return false;
    }
    const Tls_time now = clock();
    connection->certificate_passed = true;
    connection->verification = {now.monotonic_ms,
                                std::min(check.valid_until, end_of_crls(now.wall))};
    return true;
}

// When the next CRL is due. Those that are overdue did not matter, else the check had failed.
std::time_t Backend_tls::Impl::end_of_crls(std::time_t now) const
{
    std::time_t end = std::numeric_limits<std::time_t>::max();
    for (const std::time_t next : (*material)->next_updates)
        end = next > now ? std::min(end, next) : end;
    return end;
}

int Backend_tls::Impl::on_certificate_asked(SSL *ssl, void *) noexcept
try {
    Context *context = context_of(ssl);
    Connection *connection = connection_of(ssl);
    if (context == nullptr || connection == nullptr)
        return 0;
    connection->certificate_asked = true;
    if (Backend_handshake *handshake = context->finder(ssl))
        handshake->certificate_asked = true;
    return context->impl->show_certificate(ssl) ? 1 : 0;
} catch (...) {
    return 0;
}

// The policy's or none: never the one of Dovecot's ssl_client_cert, which is on the SSL by now.
bool Backend_tls::Impl::show_certificate(SSL *ssl)
{
    const Own_openssl_errors own_errors;
    SSL_certs_clear(ssl);
    const Policy_material &own = **material;
    return own.certificate == nullptr ||
           SSL_use_cert_and_key(ssl, own.certificate.get(), own.key.get(), own.chain.get(), 1) == 1;
}

// --- sessions ---

// Returns 1 when the reference to the session was taken.
int Backend_tls::Impl::on_new_session(SSL *ssl, SSL_SESSION *session) noexcept
try {
    Context *context = context_of(ssl);
    return context != nullptr && context->impl->keep_session(ssl, session) ? 1 : 0;
} catch (...) {
    return 0;
}

bool Backend_tls::Impl::keep_session(SSL *ssl, SSL_SESSION *session)
{
    const Connection *connection = connection_of(ssl);
    if (!is_resuming() || connection == nullptr || connection->destination.empty() ||
        !connection->is_proven(ssl))
        return false;
    // A server that asks for certificates and has set no session id context, as every Dovecot so
    // far, breaks off the next handshake (OpenSSL: "session id context uninitialized").
    if (connection->certificate_asked)
        return false;
    if (Session_ptr copy = copy_of(session))
        sessions.add(connection->destination, std::move(copy), connection->verification, clock());
    return false;
}

// --- alerts ---

void Backend_tls::Impl::on_message(int is_written, int, int type, const void *bytes,
                                   std::size_t size, SSL *ssl, void *) noexcept
try {
    if (type != SSL3_RT_ALERT || size != 2)
        return;
    const int alert = static_cast<const unsigned char *>(bytes)[1];
    if (alert == SSL_AD_CLOSE_NOTIFY || alert == SSL_AD_USER_CANCELLED ||
        alert == SSL_AD_NO_RENEGOTIATION)
        return;
    Context *context = context_of(ssl);
    // A fatal alert, either side's, ends the sessions of the connection (RFC 5246, 7.2.2).
    const Connection *connection = connection_of(ssl);
    if (context != nullptr && connection != nullptr)
        context->impl->sessions.forget(connection->destination);
    if (is_written != 0)
        return;
    Backend_handshake *handshake = context != nullptr ? context->finder(ssl) : nullptr;
    if (handshake != nullptr)
        handshake->alert = alert;
} catch (...) { // NOLINT(bugprone-empty-catch): the alert is for the log alone
}

} // namespace proxymap
