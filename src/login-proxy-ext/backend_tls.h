// A TLS policy in force: it judges the backends of all connections that are made with an SSL_CTX
// which Dovecot made and this class took over.
//
// Dovecot itself is told to accept any certificate. So MUST: everything fails closed here. OpenSSL
// breaks the handshake off, before a byte of the login is sent, unless a certificate has passed the
// policy, or unless the session that is resumed is one that this object has kept after its
// certificate had passed.
//
// How it gets in between: Dovecot calls SSL_new(), sets things on the SSL, then SSL_connect(). The
// security callback with SSL_SECOP_VERSION is the last call before the ClientHello is made; there
// the connection gets what Dovecot has set otherwise or not at all (begin() in backend_tls.cc).
// The info callback will not do: `verbose_ssl` and Dovecot 2.4 replace it.
//
// MUST: the module is linked with -z nodelete. Dovecot frees its contexts after unloading modules,
// and OpenSSL then still calls the functions of this file that free what hangs on them.
#pragma once

#include "../core/result.h"
#include "../core/tls_policy.h"
#include "policy_files.h"
#include "tls_sessions.h"

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

namespace proxymap {

class Backend_tls;

// One connection to a backend. Owned by the caller, who answers with it when the finder is asked;
// once it is gone the finder answers null. A new one for every connection, reconnects too.
struct Backend_handshake {
    // Filled in by the caller before the handshake.
    const Backend_tls *policy = nullptr; // the one that the route demands; another one's context is
                                         // refused
    std::string host;                    // the route's host: a name or an IP address
    std::string address; // IP and port connected to, as "192.0.2.1:993"; empty: nothing is resumed

    // Filled in by Backend_tls.
    bool begun = false;             // the ClientHello was about to be made
    bool session_offered = false;   // to resume
    bool certificate_asked = false; // the backend asked for a certificate of the proxy
    bool resumed = false;           // set by finish()
    bool verified = false;          // set by finish(), and only there: the policy is satisfied
    int alert = -1;                 // the last fatal alert that came (RFC 8446, 6); -1: none
    std::string protocol;           // "TLSv1.3"; known when a certificate comes, or by finish()
    std::string failure; // why the certificate was refused: one sentence for the log, what was
                         // expected and what came. Printable ASCII, at most 3 KiB; never for
                         // the client
    std::uint64_t begun_at_us = 0; // monotonic
    std::uint64_t duration_us = 0; // from begun to finish() or fail()
};

class Backend_tls {
  public:
    using Finder = std::function<Backend_handshake *(SSL *)>;
    using Clock = std::function<Tls_time()>;

    // Parses nothing. The clock is for tests.
    Backend_tls(Tls_policy policy, Policy_files files, Clock clock = {});
    // Contexts that are still there refuse every handshake from now on.
    ~Backend_tls();
    Backend_tls(const Backend_tls &) = delete;
    Backend_tls &operator=(const Backend_tls &) = delete;

    const Tls_policy &policy() const;

    // Takes a context of Dovecot's over: the CAs, CRLs, client certificate and ciphers of the
    // policy instead of its own, and the callbacks. The first call parses the files, and an error
    // stays one. With an error the context refuses every handshake; a second call with the same
    // context is nearly free and says the same as the first. A reference to the context is kept.
    //
    // The finder tells to which connection an SSL belongs; null makes the handshake fail. It is
    // called from within SSL_connect(), first right before the ClientHello (there the caller may
    // register for the end of the handshake: ssl_iostream_set_handshake_callback()).
    Result<Done> set_up(SSL_CTX *context, Finder finder);

    // To be called when the handshake is over, before anything is sent: whether the policy is
    // satisfied. Fills in the rest of the handshake; when false, failure is a sentence.
    bool finish(SSL *ssl, Backend_handshake *handshake);

    // To be called when the handshake failed, by whatever cause, or when finish() returned false.
    // Returns the sentence for the log: handshake.failure, or else `error` (what Dovecot or OpenSSL
    // said) with what is known of the cause. Printable ASCII, at most 3 KiB.
    //
    // Where a session was offered, that may have been the cause, and some backends then merely
    // close: none is offered to this destination for the next resume_max_age. So where
    // handshake.session_offered is true and failure empty, a new connection may be tried at once.
    std::string fail(Backend_handshake *handshake, std::string_view error);

    // Kept for resumption, for statistics and tests.
    std::size_t session_count() const;

  private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

} // namespace proxymap
