// One client of a login process, as login.cc (its logins), login_tls.cc (the handshake that its
// policy judges) and login_lines.cc (what its backend says) share it. For these alone.
#pragma once

#include "login_branch.h"

#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

namespace proxymap {

struct Client_state {
    client_vfuncs super = {};
    ::client *client = nullptr;
    Auth_callback *sasl_callback = nullptr; // core's
    std::unique_ptr<Proxied_login> login;
    bool without_reconnects = false; // login_proxy_max_reconnects = 0, which attempt() hides
    timeout *to_retry = nullptr;     // one reference to the client is held

    // The attempt that is under way. ssl: the connection of the handshake, once it has begun.
    Own_context context;
    std::unique_ptr<Backend_handshake> handshake; // null: no policy
    SSL *ssl = nullptr;                           // while it is there
    char *password = nullptr;                     // Dovecot's, while Dovecot may not know it
    unsigned lines = 0;                           // from the backend before TLS
    bool passed = false;                          // the handshake is over and the policy satisfied
    bool redirected = false; // the backend has named another one for this login
    bool was_full = false;   // a handshake without resumption has been tried in its place
    std::string refusal;     // why it ends without another try
    std::string left;        // the backend that auth is asked about again; "": the client logs in
};

struct Adapter {
    std::unique_ptr<Login_plugin> plugin;
    std::unordered_map<const ::client *, std::unique_ptr<Client_state>> clients;
    std::unordered_map<const ssl_iostream_context *, const Backend_tls *> contexts;
    std::vector<Client_state *> connecting; // with a handshake that has no ssl yet
    enum class Layout : std::uint8_t { unknown, right, wrong } layout = Layout::unknown;
};

extern Adapter *adapter;

// Of a client that has this plugin's hooks.
Client_state *find_state(const ::client *client);

// ---- login.cc

// The next login, or the next connection for this one, begins as if there had been none.
void end_attempt(Client_state *state);
// The connection to the backend, and what the client keeps for it. The password is wiped.
void free_proxy(::client *client);
// Where it connects to: `host:port`.
std::string address_of(const login_proxy *proxy);

// ---- login_tls.cc

// From now on this client's connections to backends are judged by the login's policy. Error: they
// would not be, and must not be made.
Result<Done> apply_policy(Client_state *state, const Auth_reply &reply);
// Before each connection, for a handshake has one SSL.
// host: by value, for the one that the last handshake has goes with it.
void expect_handshake(Client_state *state, Backend_tls *tls, std::string host);
// MUST: until the connection is in the hands of its policy, Dovecot does not have the password.
// Then nothing that a backend says in clear can make it send it. After expect_handshake(), which
// gives it back until Dovecot has begun to connect.
void hide_password(Client_state *state);
void forget_handshake(Client_state *state);
void emit_handshake(const Client_state &state, bool good);

// ---- login_lines.cc

// Each line that comes from the backend, before anything is said in answer. As v.proxy_parse_line.
int on_proxy_line(::client *client, const char *line) noexcept;

} // namespace proxymap
