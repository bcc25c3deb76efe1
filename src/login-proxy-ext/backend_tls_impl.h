// What a policy in force remembers: of itself (Impl), of a context (Context), of a connection
// (Connection). For backend_tls.cc and backend_callbacks.cc alone.
#pragma once

#include "backend_tls.h"
#include "openssl_ptr.h"
#include "policy_material.h"

#include <cstdint>
#include <ctime>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace proxymap {

// What hangs on an SSL, and goes with it. The Backend_handshake may go earlier; tickets of TLS 1.3
// come after the handshake.
struct Connection {
    bool admitted = false;           // the policy is in force on it
    bool certificate_passed = false; // in this very handshake
    bool certificate_asked = false;
    bool session_offered = false;
    std::string destination;   // empty: nothing is resumed
    Verification verification; // where certificate_passed or session_offered

    // The one thing that resuming proves is that the backend is the one that the session came from.
    // The only sessions that are ever set are those kept by Backend_tls.
    bool is_proven(SSL *ssl) const
    {
        return admitted && SSL_get_verify_result(ssl) == X509_V_OK &&
               (SSL_session_reused(ssl) == 1 ? session_offered : certificate_passed);
    }
};

Connection *connection_of(const SSL *ssl);                      // null: none yet
bool hang_on(SSL *ssl, std::unique_ptr<Connection> connection); // false: OpenSSL failed

// As SSL_CTX_set_verify(3) takes it: leaves X509_verify_cert() its verdict. Dovecot's own overrides
// errors where it was told to accept any certificate.
int keep_verdict(int ok, X509_STORE_CTX *store_context);

// What sessions are kept under; empty: none are. The policy is that of the cache, and no host or
// address holds a blank.
std::string destination_of(const Backend_handshake &handshake);

using Security_callback = int (*)(const SSL *, const SSL_CTX *, int, int, int, void *, void *);

struct Backend_tls::Impl {
    struct Context {
        Impl *impl = nullptr;
        Backend_tls::Finder finder;
        Security_callback stock_security = nullptr;
        void *stock_security_data = nullptr;
        std::optional<Error> error; // of set_up(): not usable
        bool is_ready = false;
        Ssl_ctx_ptr reference;
    };

    Impl(Backend_tls *its_owner, Tls_policy its_policy, Policy_files its_files, Clock its_clock)
        : owner(its_owner), policy(std::move(its_policy)), files(std::move(its_files)),
          clock(std::move(its_clock)), sessions(policy.resume_max_age, policy.resume_max_count)
    {
    }

    // Null where no policy took the context over, or it is gone.
    static Context *context_of(const SSL_CTX *context);
    static Context *context_of(const SSL *ssl);
    static bool hang_on(SSL_CTX *context, Context *of); // false: OpenSSL failed

    // As OpenSSL calls them. No exception may pass through C.
    static int on_security(const SSL *ssl, const SSL_CTX *context, int operation, int bits, int nid,
                           void *other, void *data) noexcept;
    static int on_verify(X509_STORE_CTX *store_context, void *data) noexcept;
    static int on_certificate_asked(SSL *ssl, void *data) noexcept;
    static int on_new_session(SSL *ssl, SSL_SESSION *session) noexcept;
    static void on_message(int is_written, int version, int type, const void *bytes,
                           std::size_t size, SSL *ssl, void *data) noexcept;

    bool is_resuming() const { return policy.resume_sessions && !policy.any_cert; }
    Result<Done> parse();
    Result<Done> take_over(SSL_CTX *context);

    bool begin(SSL *ssl, const Context &context);
    // What stands against the handshake, or nothing; sets the name that is asked for.
    std::string find_obstacle(SSL *ssl, const Context &context,
                              const Backend_handshake &handshake) const;
    void offer_session(SSL *ssl, Connection *connection, const Backend_handshake &handshake);
    bool judge(SSL *ssl, X509_STORE_CTX *store_context, const Context &context);
    bool show_certificate(SSL *ssl);
    bool keep_session(SSL *ssl, SSL_SESSION *session);
    std::time_t end_of_crls(std::time_t now) const;

    Backend_tls *owner;
    const Tls_policy policy;
    Policy_files files; // until parsed
    const Clock clock;
    std::optional<Result<Policy_material>> material;
    Tls_sessions sessions;
    std::vector<std::unique_ptr<Context>> contexts;
};

} // namespace proxymap
