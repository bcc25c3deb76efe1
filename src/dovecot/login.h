// What a login process is on this Dovecot, seen from C++: a login that auth wants sent on comes in,
// what Dovecot is told and how it connects goes out. All that differs between Dovecot's branches
// stays behind this header.
#pragma once

#include "../login-proxy-ext/auth_reply.h"
#include "../login-proxy-ext/backend_tls.h"

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

struct event;
struct module;

namespace proxymap {

// One login that is sent on, as src/login-proxy-ext sees it. It lives until the proxied session
// ends.
class Proxied_login {
  public:
    virtual ~Proxied_login() = default;

    // True: not yet, `ready` comes once, later, from the event loop. Asked before each attempt.
    virtual bool must_wait(std::function<void()> ready) = 0;
    // What Dovecot is told for the next connection. Error: the client hears "temporary failure",
    // the log this sentence.
    virtual Result<Reply_fields> next_fields() = 0;
    // The backend has named another one, to which Dovecot connects next. The source address of that
    // connection; nothing: that of the one before. Error: as next_fields().
    virtual Result<std::optional<Ip>> source_for(const Ip &backend, std::uint16_t port) = 0;
    // The connection could not be made from its source address. True: next_fields() has another.
    virtual bool has_another_source() = 0;

    // Null: no policy, TLS is Dovecot's own business. Owned by the plugin.
    virtual Backend_tls *tls() const = 0;
};

// One that a mail client wants to begin.
struct Login_to_proxy {
    Auth_reply reply;
    std::string user;           // as auth has normalised it
    std::uint16_t default_port; // of the protocol, with or without TLS as the reply says
    event *log_event;           // the client's; lives as long as the login
};

// The plugin itself; src/login-proxy-ext implements it.
class Login_plugin {
  public:
    virtual ~Login_plugin() = default;
    // Null: nothing to do for this one.
    virtual std::unique_ptr<Proxied_login> begin(const Login_to_proxy &login) = 0;
};

// In the module's init: from now on the plugin sees every client. The second one undoes it, after
// the last client is gone.
//
// Where this Dovecot's structures are not those that the module was built with, nothing is touched,
// the log says so once, and logins whose route has a TLS policy get a temporary failure: the route
// sees to that (needs_login_plugin in core/route.h).
void install_login_plugin(::module *dovecot_module, std::unique_ptr<Login_plugin> plugin);
void remove_login_plugin();

// Loads Dovecot's TLS module while the file system is there; it need not be, where clients have
// `ssl = no`. Error: no TLS towards backends in this process.
Result<Done> load_tls_module();

} // namespace proxymap
