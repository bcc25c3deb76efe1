// Certificates that tests make for themselves, and TLS handshakes with them in memory: a client as
// Dovecot 2.3 would have made it, under a policy, with a server as the test wants it.
#pragma once

#include "login-proxy-ext/backend_tls.h"
#include "login-proxy-ext/openssl_ptr.h"

#include <functional>
#include <string>
#include <vector>

namespace proxymap {

constexpr long day = 86400;

struct Identity {
    Certificate_ptr certificate;
    Key_ptr key;
};

struct Identity_wish {
    std::string common_name = {};
    std::string names = {};           // subjectAltName, as "DNS:b1.example.com,IP:192.0.2.1"
    const Identity *issuer = nullptr; // null: signs itself
    bool is_ca = false;
    long from = -day; // seconds from now
    long to = day;
    std::string purpose = {}; // extendedKeyUsage
};

Identity make_identity(const Identity_wish &wish);
std::string to_pem(const Identity &identity); // the certificate
std::string key_to_pem(const Identity &identity);
std::string make_crl(const Identity &ca, const std::vector<const Identity *> &revoked,
                     long next_update = day);

// May be given more: it is an ordinary context.
Ssl_ctx_ptr make_server(const Identity &identity, const std::vector<const Identity *> &chain = {});
// The server demands a client certificate that this CA has signed.
void demand_client_certificate(SSL_CTX *server, const Identity &ca);

// As Dovecot's: accepts any certificate.
Ssl_ctx_ptr make_client();

Backend_tls::Finder find_by_app_data();

// What Dovecot and a backend do with one connection.
struct Meeting {
    Backend_handshake handshake;
    bool connected = false; // as SSL_connect() says
    std::string error;      // where it failed
    std::string sent_to;    // what arrived at the server of what the client wrote: a password
    std::string asked_for;  // SNI as the server saw it
    std::string shown;      // subject of the client certificate as the server saw it
};

struct Meeting_wish {
    std::string host = "b1.example.com";
    std::string address = "192.0.2.1:993";
    std::function<void(SSL *)> before = {}; // with the client's SSL, before the handshake
    bool forget = false; // the handshake object goes as soon as finish() was called
    std::function<void(SSL *, SSL *)> end = {}; // client and server; default: both shut down
};

Meeting meet(Backend_tls &policy, SSL_CTX *client, SSL_CTX *server, const Meeting_wish &wish = {});

} // namespace proxymap
