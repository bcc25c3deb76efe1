// What login.cc, login_tls.cc and login_lines.cc, the files for each branch (login_2_3.cc and
// login_2_4.cc), and those for its releases (login_names_2_3.cc and login_names_2_4_5.cc) have of
// one another. For these alone.
#pragma once

#include "login.h"

#include "dovecot.h"

#include <type_traits>

extern "C" {
#include <istream-private.h>
#include <ostream.h>
#include <safe-memset.h>
#include <settings-parser.h>

#include <auth-client.h>
#include <client-common.h>
#include <dsasl-client.h>
#include <iostream-openssl.h>
#include <iostream-ssl.h>
#include <login-common.h>
#include <login-proxy.h>
#include <login-settings.h>
}

namespace proxymap {

// How a client's connections to backends get a TLS context that is its policy's alone: it has a CA
// of its own, which is no certificate but "proxymap:<policy>", and accepts any certificate, for the
// policy judges.
class Own_context {
  public:
    // Takes it from Dovecot's cache, where it stays until the process ends. To be called before
    // Dovecot is told to connect.
    Result<ssl_iostream_context *> prepare(::client *client, const Tls_policy &policy);
    // To be called as soon as the client has a connection to come, before that can begin TLS.
    void use_for(::client *client);
    // The next connection is Dovecot's own business again.
    void restore(::client *client);

  private:
    // 2.3: Dovecot's own settings, while the client has a copy. 2.4: what stands for the copy.
    const void *settings_ = nullptr;
};

// While it lives, Dovecot reconnects this client's proxy so often at most. The client outlives it.
class Reconnect_limit {
  public:
    Reconnect_limit(::client *client, unsigned limit);
    ~Reconnect_limit();
    Reconnect_limit(const Reconnect_limit &) = delete;
    Reconnect_limit &operator=(const Reconnect_limit &) = delete;

  private:
    ::client *client_;
    const unsigned before_;
    const bool is_another_;
};

istream *backend_input(login_proxy *proxy);
ostream *backend_output(login_proxy *proxy);
bool uses_tls(const login_proxy *proxy);
bool begins_with_starttls(const login_proxy *proxy);
// What happens when a backend names another one: Dovecot's proxy does not know of such a thing;
// connects there; asks auth.
enum class Redirects : std::uint8_t { none, followed, asked_about };
Redirects redirects_of(const ::client *client);
// Whether auth is being asked where a redirected login goes.
bool awaits_redirect(const ::client *client);
// From there the proxy connects the next time that it does so by itself. Redirects::none: nothing.
void set_source(login_proxy *proxy, const Ip &source);
// Whether the login process sends a field of that name on to auth.
bool has_forward_field(const ::client *client, const char *name);

// ---- in the release's file: what it calls otherwise

// What core has called with auth's reply.
using Auth_callback = std::remove_pointer_t<decltype(::client::sasl_callback)>;
template <typename> struct Auth_callback_arguments;
template <typename Reply>
struct Auth_callback_arguments<void(::client *, Reply, const char *, const char *const *)> {
    using Reply_type = Reply;
};
using Auth_reply_kind = Auth_callback_arguments<Auth_callback>::Reply_type;
extern const Auth_reply_kind auth_success;
extern const Auth_reply_kind auth_failed;

// What a callback at the end of a TLS handshake says.
using Handshake_verdict =
    std::invoke_result_t<ssl_iostream_handshake_callback_t *, const char **, void *>;
extern const Handshake_verdict handshake_passed;
extern const Handshake_verdict handshake_refused; // Dovecot then does not try again by itself

} // namespace proxymap
