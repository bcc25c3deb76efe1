// Login processes of both branches: how the plugin gets between auth's reply and the backend.
// login_2_3.cc, login_2_4.cc and login_names_*.cc have the rest, by login_branch.h.
//
//   client_allocated    one Client_state for each client
//   v.sasl_filter_mech  the one hook between "core set sasl_callback" and auth's reply: there the
//                       callback is replaced by on_auth_reply()
//   on_auth_reply()     asks the plugin, and hands on what it says
//   TLS                 a policy has a context of its own in Dovecot's cache, under a CA that is
//                       no PEM but "proxymap:<policy>"; Backend_tls judges inside it
//   v.proxy_parse_line  the backstop before anything is said to the backend
//   v.proxy_failed      another source address, or no second try with a refused certificate
//   a redirect          where the backend's answer to the login names another one: see parse_line()
//
// MUST: fails closed. Dovecot is told to accept any certificate where a policy judges it, so that a
// login whose handshake the policy has not seen and passed must not say a word.
// MUST: nothing is thrown into Dovecot's C code.
#include "login_branch.h"

#include "../core/base64.h"
#include "../login-proxy-ext/redirect.h"
#include "log.h"
#include "login_layout.h"

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <unordered_map>
#include <utility>

#include <dlfcn.h>

namespace proxymap {

namespace {

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

Adapter *adapter = nullptr;

Client_state *find_state(const ::client *client)
{
    auto found = adapter->clients.find(client);
    return found == adapter->clients.end() ? nullptr : found->second.get();
}

// As Dovecot passes them around. It points into the fields.
std::vector<const char *> as_c_array(const Reply_fields &fields)
{
    std::vector<const char *> array;
    array.reserve(fields.size() + 1);
    for (const std::string &field : fields)
        array.push_back(field.c_str());
    array.push_back(nullptr);
    return array;
}

const int *find_ssl_extdata_index()
{
    // In Dovecot's TLS module, which is loaded when it is first needed.
    static const int *index =
        static_cast<const int *>(dlsym(RTLD_DEFAULT, "dovecot_ssl_extdata_index"));
    return index;
}

// ---- TLS

ssl_iostream *iostream_of(const SSL *ssl)
{
    const int *index = find_ssl_extdata_index();
    if (index == nullptr)
        return nullptr;
    auto *ssl_io = static_cast<ssl_iostream *>(SSL_get_ex_data(ssl, *index));
    // The second half: Dovecot's structure is the one that this was compiled with.
    if (ssl_io == nullptr || ssl_io->ssl != ssl || ssl_io->ctx == nullptr ||
        ssl_io->ctx->ssl_ctx != SSL_get_SSL_CTX(ssl))
        return nullptr;
    return ssl_io;
}

void emit_handshake(const Client_state &state, bool good)
{
    if (!events_wanted(state.client->event))
        return;
    const Backend_handshake &handshake = *state.handshake;
    emit_event(state.client->event, "proxymap_tls_handshake",
               {{"policy", handshake.policy->policy().name},
                {"result", good ? "ok" : "failed"},
                {"resumed", handshake.resumed ? "yes" : "no"},
                {"protocol", handshake.protocol}},
               {{"duration_usecs", handshake.duration_us}});
}

// Handshake over; nothing has been sent through it.
Handshake_verdict on_handshake(const char **error_r, void *context) noexcept
{
    auto *state = static_cast<Client_state *>(context);
    try {
        if (state->ssl != nullptr &&
            state->login->tls()->finish(state->ssl, state->handshake.get())) {
            state->passed = true;
            emit_handshake(*state, true);
            return handshake_passed;
        }
        *error_r = "the TLS policy is not satisfied";
    } catch (...) {
        *error_r = "out of memory";
    }
    return handshake_refused;
}

// An SSL and the state whose handshake it is know each other until one of them goes: Dovecot may
// free the SSL long before the client, and its address soon belongs to another one.
void on_ssl_freed(void *, void *state, CRYPTO_EX_DATA *, int, long, void *)
{
    if (state != nullptr)
        static_cast<Client_state *>(state)->ssl = nullptr;
}

int state_index()
{
    static const int index = SSL_get_ex_new_index(0, nullptr, nullptr, nullptr, on_ssl_freed);
    return index;
}

// MUST: until the connection is in the hands of its policy, Dovecot does not have the password.
// Then nothing that a backend says in clear can make it send it.
void hide_password(Client_state *state)
{
    ::client *client = state->client;
    if (client->proxy_password == nullptr || state->password != nullptr)
        return;
    state->password = client->proxy_password;
    client->proxy_password = i_strdup("");
}

void reveal_password(Client_state *state)
{
    if (state->password == nullptr)
        return;
    i_free(state->client->proxy_password);
    state->client->proxy_password = state->password;
    state->password = nullptr;
}

void drop_password(Client_state *state)
{
    if (state->password != nullptr)
        safe_memset(state->password, 0, std::strlen(state->password));
    i_free_and_null(state->password);
}

void forget_handshake(Client_state *state)
{
    drop_password(state);
    state->lines = 0;
    if (state->ssl != nullptr)
        SSL_set_ex_data(state->ssl, state_index(), nullptr);
    std::erase(adapter->connecting, state);
    state->ssl = nullptr;
    state->handshake.reset();
    state->passed = false;
}

// Before each connection, for a handshake has one SSL.
// host: by value, for the one that the last handshake has goes with it.
void expect_handshake(Client_state *state, Backend_tls *tls, std::string host)
{
    reveal_password(state); // to be hidden again for the next connection
    forget_handshake(state);
    state->handshake = std::make_unique<Backend_handshake>();
    state->handshake->policy = tls;
    state->handshake->host = std::move(host);
    adapter->connecting.push_back(state);
}

std::string address_of(const login_proxy *proxy)
{
    return format_host_port(login_proxy_get_ip_str(proxy), login_proxy_get_port(proxy));
}

// The connection that an SSL belongs to: at first the one whose stream has the same socket.
Backend_handshake *find_handshake(SSL *ssl)
{
    if (const auto *known = static_cast<Client_state *>(SSL_get_ex_data(ssl, state_index())))
        return known->handshake.get();

    ssl_iostream *ssl_io = iostream_of(ssl);
    const int fd = ssl_io == nullptr ? -1 : i_stream_get_fd(ssl_io->plain_input);
    if (fd < 0)
        return nullptr;
    for (Client_state *state : adapter->connecting) {
        login_proxy *proxy = state->client->login_proxy;
        istream *input = proxy == nullptr ? nullptr : backend_input(proxy);
        if (input == nullptr || i_stream_get_fd(input) != fd)
            continue;
        if (SSL_set_ex_data(ssl, state_index(), state) != 1)
            return nullptr;
        if (state->redirected) {
            // MUST: where auth was asked once more, it may have answered with another policy.
            if (Auth_reply(state->client->auth_passdb_args).tls_policy() !=
                state->handshake->policy->policy().name)
                return nullptr;
            state->handshake->host = login_proxy_get_host(proxy);
        }
        std::erase(adapter->connecting, state);
        state->ssl = ssl;
        state->handshake->address = address_of(proxy);
        ssl_iostream_set_handshake_callback(ssl_io, on_handshake, state);
        // What Dovecot says from here on waits for the end of the handshake.
        reveal_password(state);
        return state->handshake.get();
    }
    return nullptr;
}

// The policy's own context for this client's connections to backends, taken over by the policy.
Result<Done> prepare_context(Client_state *state, Backend_tls *tls)
{
    Result<ssl_iostream_context *> context = state->context.prepare(state->client, tls->policy());
    if (!context)
        return context.error();
    auto known = adapter->contexts.find(*context);
    if (known != adapter->contexts.end() && known->second == tls)
        return Done{};
    if (known != adapter->contexts.end() || !(*context)->client_ctx ||
        (*context)->ssl_ctx == nullptr)
        return Error{"Dovecot's TLS context is not the one of this policy"};
    if (Result<Done> done = tls->set_up((*context)->ssl_ctx, find_handshake); !done)
        return done;
    adapter->contexts.emplace(*context, tls);
    return Done{};
}

// From now on this client's connections to backends use it.
Result<Done> apply_policy(Client_state *state, const Auth_reply &reply)
{
    if (!reply.wants_tls())
        return Done{};
    Backend_tls *tls = state->login->tls();
    if (Result<Done> done = prepare_context(state, tls); !done)
        return done;
    expect_handshake(state, tls, std::string(reply.host()));
    return Done{};
}

// ---- one attempt

// The client may STARTTLS again after a failed login, which reads ssl_set too.
void end_attempt(Client_state *state)
{
    state->context.restore(state->client);
    state->redirected = false;
    forget_handshake(state);
    state->refusal.clear();
}

// Consumes the reference that belongs to the authentication.
void refuse(Client_state *state, const std::string &why)
{
    ::client *client = state->client;
    end_attempt(state);
    state->login.reset();
    state->left.clear();
    log_error(client->event, "proxymap: login refused for the time being: " + why);
    if (events_wanted(client->event))
        emit_event(client->event, "proxymap_login_refused", {{"reason", why}}, {});
    const char *args[] = {"code=temp_fail", nullptr};
    state->sasl_callback(client, auth_failed, nullptr, args);
}

void attempt(Client_state *state) noexcept;

void on_ready(Client_state *state)
{
    ::client *client = state->client;
    if (client->destroyed || client->disconnected) {
        state->login.reset();
        client_unref(&client);
        return;
    }
    attempt(state);
}

// Connects, or refuses; later where the plugin must wait. Consumes one reference to the client.
// It and the state may be gone afterwards.
void attempt(Client_state *state) noexcept
{
    ::client *client = state->client;
    try {
        end_attempt(state);
        const Auth_reply reply(client->auth_passdb_args);
        if (state->login->must_wait([state] { on_ready(state); })) {
            return;
        }
        Result<Reply_fields> fields = state->login->next_fields();
        if (!fields)
            return refuse(state, fields.error().message);
        if (state->login->tls() != nullptr) {
            if (Result<Done> done = apply_policy(state, reply); !done)
                return refuse(state, "TLS policy " + state->login->tls()->policy().name + ": " +
                                         done.error().message);
        }
        std::vector<const char *> args = as_c_array(*fields);

        // A source that cannot be bound shows within this call, and Dovecot says so to
        // proxy_failed() only where it would reconnect.
        client_ref(client);
        const unsigned reconnects = client->set->login_proxy_max_reconnects;
        state->without_reconnects = reconnects == 0;
        {
            const Reconnect_limit limit(client, std::max(reconnects, 1U));
            state->sasl_callback(client, auth_success, nullptr, args.data());
        }
        state->without_reconnects = false;
        // The connection is on its way at best.
        if (state->handshake != nullptr && client->login_proxy != nullptr)
            state->context.use_for(client);
        if (state->handshake != nullptr)
            hide_password(state);
        wipe(&*fields);
        client_unref(&client);
    } catch (const std::exception &error) {
        refuse(state, error.what());
    }
}

// ---- after a failure

// Dovecot puts errno into its reason, behind a beginning that only it writes: other reasons quote
// the backend.
bool is_sources_fault(const char *reason)
{
    if (!std::string_view(reason).starts_with("connect("))
        return false;
    for (int error : {EADDRINUSE, EADDRNOTAVAIL}) {
        if (std::strstr(reason, std::strerror(error)) != nullptr)
            return true;
    }
    return false;
}

void free_proxy(::client *client)
{
    login_proxy_free(&client->login_proxy);
    if (client->proxy_password != nullptr)
        safe_memset(client->proxy_password, 0, std::strlen(client->proxy_password));
    i_free_and_null(client->proxy_password);
    i_free_and_null(client->proxy_user);
    i_free_and_null(client->proxy_master_user);
}

// From the event loop, in place of the reconnect that Dovecot has planned.
void on_retry(Client_state *state) noexcept
{
    ::client *client = state->client;
    timeout_remove(&state->to_retry);
    if (client->destroyed || client->disconnected || client->login_proxy == nullptr) {
        client_unref(&client);
        return;
    }
    if (state->refusal.empty()) {
        free_proxy(client);
        attempt(state);
        return;
    }
    const std::string refusal = state->refusal;
    {
        const Reconnect_limit none(client, 0);
        login_proxy_failed(client->login_proxy, login_proxy_get_event(client->login_proxy),
                           LOGIN_PROXY_FAILURE_TYPE_REMOTE, refusal.c_str());
    }
    client_unref(&client);
}

void retry_soon(Client_state *state)
{
    if (state->to_retry != nullptr)
        return;
    client_ref(state->client);
    state->to_retry = timeout_add_short(0, on_retry, state);
}

// Of a connection that could not be made or that ended too early. True: something else is done in
// place of Dovecot's reconnect.
bool plan_retry(Client_state *state, login_proxy_failure_type type, const char *reason)
{
    Backend_handshake *handshake = state->handshake.get();
    if (handshake != nullptr && handshake->begun && (!state->passed || handshake->alert >= 0)) {
        state->refusal = state->login->tls()->fail(handshake, reason);
        emit_handshake(*state, false);
        // Once more without resumption, for that may have been all that was wrong.
        if (handshake->session_offered && handshake->failure.empty() && !state->was_full) {
            state->was_full = true;
            state->refusal.clear();
        }
        return true;
    }
    if (type == LOGIN_PROXY_FAILURE_TYPE_CONNECT && is_sources_fault(reason) &&
        state->login->has_another_source())
        return true;
    // attempt() has asked for a reconnect that Dovecot was told not to make.
    if (state->without_reconnects) {
        state->refusal = reason;
        return true;
    }
    return false;
}

void on_proxy_failed(::client *client, login_proxy_failure_type type, const char *reason,
                     bool reconnecting) noexcept
{
    Client_state *state = find_state(client);
    auto *super = state->super.proxy_failed;
    if (client->login_proxy == nullptr) {
        // Dovecot refuses the route itself, before there is a connection (an unknown proxy_mech, a
        // loop), and would crash in the next function: say what it would have said.
        end_attempt(state);
        state->login.reset();
        client_auth_reply reply = {};
        client->v.auth_result(client, CLIENT_AUTH_RESULT_TEMPFAIL, &reply, AUTH_TEMP_FAILED_MSG);
        return;
    }
    if (state->login == nullptr)
        return super(client, type, reason, reconnecting);
    try {
        if (reconnecting) {
            if (plan_retry(state, type, reason))
                retry_soon(state);
            else if (state->handshake != nullptr) {
                expect_handshake(state, state->login->tls(), state->handshake->host);
                hide_password(state);
            }
            return super(client, type, reason, TRUE);
        }
        Backend_handshake *handshake = state->handshake.get();
        if (handshake != nullptr && handshake->begun && !state->passed && state->refusal.empty()) {
            log_error(login_proxy_get_event(client->login_proxy),
                      state->login->tls()->fail(handshake, reason));
            emit_handshake(*state, false);
        }
    } catch (...) {
        // Without memory the login ends here, without the sentence.
    }
    end_attempt(state);
    state->login.reset();
    super(client, type, reason, reconnecting);
}

// ---- the backstop

// Whether the line may come before STARTTLS. IMAP's proxy believes every reply at any time: in
// clear it would send the login in answer to "C OK", and call the client logged in for "L OK". The
// other protocols' wait for the reply that is due.
bool may_precede_tls(std::string_view line)
{
    return std::strcmp(login_binary->protocol, "imap") != 0 || line.starts_with("* ") ||
           line.starts_with("I ") || line.starts_with("i ") || line.starts_with("S ");
}

int fail_line(::client *client, const char *why)
{
    login_proxy_failed(client->login_proxy, login_proxy_get_event(client->login_proxy),
                       LOGIN_PROXY_FAILURE_TYPE_INTERNAL, why);
    return -1;
}

// ---- a backend that names another one (2.4)

std::string plain_response(const std::string &user, const char *password)
{
    std::string plain = '\0' + user + '\0' + password;
    std::string response = encode_base64(plain);
    safe_memset(plain.data(), 0, plain.size());
    return response;
}

// The same login once more, as if the client had tried again: so auth decides as it does for a
// client, and its answer is a route like any other, with a host, a policy and a pool. In place of
// Dovecot's own proxy_redirect_reauth(), which asks by EXTERNAL and names no user (auth cannot
// answer that), and uses nothing of the answer but the address.
int log_in_again(Client_state *state)
{
    ::client *client = state->client;
    if (!auth_client_is_connected(auth_client) ||
        auth_client_find_mech(auth_client, "PLAIN") == nullptr)
        return fail_line(client,
                         "the backend names another one, and auth cannot be asked about it: "
                         "it is not there, or has no mechanism PLAIN");
    const char *user = client->virtual_user_orig;
    std::string response =
        plain_response(user == nullptr ? client->virtual_user : user, client->proxy_password);
    state->left = address_of(client->login_proxy);
    end_attempt(state);
    state->login.reset();
    state->was_full = false;
    dsasl_client_free(&client->proxy_sasl_client);
    client->v.proxy_reset(client);
    free_proxy(client);
    client->proxy_ttl--; // it ends a loop, as in login_proxy_redirect_finish()
    if (!has_forward_field(client, sent_on_announcement))
        client_add_forward_field(client, sent_on_announcement, "y");

    client_ref(client);
    const bool failed = client_auth_begin(client, "PLAIN", response.c_str()) != 0;
    safe_memset(response.data(), 0, response.size());
    // At once: the client has its answer, but nobody would hear it any more.
    if (failed && !client->destroyed)
        client_destroy(client, "Login could not be repeated");
    client_unref(&client);
    return -1;
}

// The source of the connection that Dovecot is about to make by itself. Error: it must not.
Result<Done> prepare_source(Client_state *state, const Redirect &redirect)
{
    // Not an address: Dovecot ends the login.
    const std::optional<Ip> backend = parse_ip(redirect.host);
    if (!backend)
        return Done{};
    login_proxy *proxy = state->client->login_proxy;
    const std::uint16_t port = redirect.port == 0 ? login_proxy_get_port(proxy) : redirect.port;
    const Result<std::optional<Ip>> source = state->login->source_for(*backend, port);
    if (!source)
        return source.error();
    if (*source)
        set_source(proxy, **source);
    return Done{};
}

// A line that Dovecot may hear. The backend's answer to the login may be the name of another one
// (RFC 2221's REFERRAL): the connection to that one is judged by the same policy, in a handshake of
// its own, and comes from the same pool; or auth is asked again.
int parse_line(Client_state *state, const char *line)
{
    ::client *client = state->client;
    auto *super = state->super.proxy_parse_line;
    const Redirects redirects = redirects_of(client);
    const std::optional<Redirect> redirect =
        redirects == Redirects::none ? std::nullopt : find_redirect(login_binary->protocol, line);
    if (redirect && redirects == Redirects::asked_about) {
        const std::optional<bool> may = Auth_reply(client->auth_passdb_args).may_ask_again();
        if (may && *may)
            return log_in_again(state);
        if (may)
            return fail_line(client,
                             "the backend names another one, and auth can be asked about it "
                             "by the user's own password alone, which was not used here");
    }
    if (redirect && redirects == Redirects::followed && state->login != nullptr) {
        if (const Result<Done> done = prepare_source(state, *redirect); !done)
            return fail_line(client, done.error().message.c_str());
    }
    if (state->handshake == nullptr)
        return super(client, line);

    const std::string before = address_of(client->login_proxy);
    client_ref(client);
    int ret = super(client, line);
    if (client->login_proxy != nullptr && state->login != nullptr && state->handshake != nullptr &&
        (awaits_redirect(client) || address_of(client->login_proxy) != before)) {
        state->redirected = true;
        expect_handshake(state, state->login->tls(), state->handshake->host);
        hide_password(state);
        ret = ret == 0 ? 1 : ret; // the rest of the old one's lines is not read
    }
    client_unref(&client);
    return ret;
}

// Each line that comes from the backend, before anything is said in answer.
int on_proxy_line(::client *client, const char *line) noexcept
{
    Client_state *state = find_state(client);
    auto *super = state->super.proxy_parse_line;
    if (state->login == nullptr || state->login->tls() == nullptr)
        return parse_line(state, line);

    if (!uses_tls(client->login_proxy)) {
        if (state->login->tls()->policy().require)
            return fail_line(client, "the TLS policy requires TLS, and the connection has none");
        return parse_line(state, line);
    }
    const bool begun = state->handshake != nullptr && state->handshake->begun;
    if (begun || !begins_with_starttls(client->login_proxy)) {
        if (!state->passed)
            return fail_line(client, "the TLS policy has not passed this connection");
        return parse_line(state, line);
    }
    if (!may_precede_tls(line))
        return fail_line(client, "the backend answers before TLS what it was not asked");
    // Behind the greeting, IMAP's proxy would pass untagged lines on to the mail client.
    if (std::strcmp(login_binary->protocol, "imap") == 0 && state->lines++ > 0 && *line == '*')
        return 0;
    // Before STARTTLS, or this is the line that begins it: then Dovecot has queued the login
    // behind the handshake, and the policy must have seen that begin.
    client_ref(client);
    ostream *before = backend_output(client->login_proxy);
    int ret = super(client, line);
    // None: Dovecot has closed the connection and will make another one.
    ostream *now = client->login_proxy == nullptr ? nullptr : backend_output(client->login_proxy);
    if (now != nullptr && now != before &&
        (state->handshake == nullptr || !state->handshake->begun))
        ret = fail_line(client, "the TLS policy was not asked about this connection");
    client_unref(&client);
    return ret;
}

// ---- the client

void hand_on(Client_state *state, Auth_reply_kind reply, const char *data, const char *const *args)
{
    const Auth_reply view(args);
    if (!view.has_own_fields())
        return state->sasl_callback(state->client, reply, data, args);
    // Dovecot would write a debug line for each that it does not know.
    Reply_fields fields = view.stripped();
    std::vector<const char *> stripped = as_c_array(fields);
    state->sasl_callback(state->client, reply, data, stripped.data());
    wipe(&fields);
}

// What is sent on to the backend is taken from there.
void take_back_announcement(const char *const *fields)
{
    if (fields == nullptr)
        return;
    // The array is Dovecot's copy for this client, in its pool.
    auto **kept = const_cast<const char **>(fields);
    for (const char *const *field = fields; *field != nullptr; field++) {
        if (!std::string_view(*field).starts_with(returned_announcement))
            *kept++ = *field;
    }
    *kept = nullptr;
}

// In place of core's callback.
void on_auth_reply(::client *client, Auth_reply_kind reply, const char *data,
                   const char *const *args) noexcept
{
    Client_state *state = find_state(client);
    try {
        if (reply == auth_success)
            take_back_announcement(client->auth_passdb_args);
        // The client's own login had succeeded: whatever has changed since, it may try again.
        if (reply == auth_failed && !state->left.empty())
            return refuse(state, "its backend names another one, and auth says no now");
        if (reply != auth_success || args == nullptr || !Auth_reply(args).proxies()) {
            state->left.clear();
            return hand_on(state, reply, data, args);
        }
        end_attempt(state);
        state->was_full = false;
        const Auth_reply kept(client->auth_passdb_args);
        const bool direct = kept.wants_tls() && !kept.waits_for_starttls();
        const std::uint16_t default_port =
            direct ? login_binary->default_ssl_port : login_binary->default_port;
        const std::string left = std::exchange(state->left, "");
        const std::optional<Ip> backend = kept.address();
        const std::uint16_t port = kept.port() != 0 ? kept.port() : default_port;
        if (backend && left == format_host_port(format_ip(*backend), port))
            return refuse(state, "its backend " + left +
                                     " names another one, but its route still leads there");
        state->login = adapter->plugin->begin(
            {kept, client->virtual_user == nullptr ? "" : client->virtual_user, default_port,
             client->event});
        if (state->login == nullptr)
            return hand_on(state, reply, data, args);
    } catch (const std::exception &error) {
        return refuse(state, error.what());
    }
    attempt(state);
}

void call_layout_wrong(const char *difference)
{
    if (adapter->layout == Adapter::Layout::wrong)
        return;
    adapter->layout = Adapter::Layout::wrong;
    i_error("login_proxy_ext: this Dovecot lays out its clients otherwise (%s) than the headers "
            "that the plugin was built with (" PACKAGE_STRING "): rebuild dovecot-proxymap against "
            "the installed dovecot-dev; until then source pools are not used, and logins whose "
            "route has a TLS policy fail for the time being",
            difference);
}

bool on_filter_mech(::client *client, auth_mech_desc *mech) noexcept
{
    Client_state *state = find_state(client);
    // Also called to list the mechanisms, when nobody authenticates and there is no callback.
    if (client->sasl_callback != nullptr && !client->authenticating)
        call_layout_wrong("authenticating");
    if (adapter->layout == Adapter::Layout::right && client->sasl_callback != nullptr &&
        client->sasl_callback != on_auth_reply) {
        state->sasl_callback = client->sasl_callback;
        client->sasl_callback = on_auth_reply;
        // Tells the passdb that policies are enforced here; a client's proxy may have replaced what
        // was there at the last try.
        if (!has_forward_field(client, announcement))
            client_add_forward_field(client, announcement, "y");
    }
    return state->super.sasl_filter_mech == nullptr || state->super.sasl_filter_mech(client, mech);
}

void on_free(::client *client) noexcept
{
    Client_state *state = find_state(client);
    auto *super = state->super.free;
    forget_handshake(state);
    adapter->clients.erase(client);
    if (super != nullptr) // submission has none
        super(client);
}

void on_client_allocated(::client *client) noexcept
{
    if (adapter->layout == Adapter::Layout::unknown) {
        const char *difference = find_layout_difference(client);
        if (difference == nullptr)
            adapter->layout = Adapter::Layout::right;
        else
            call_layout_wrong(difference);
    }
    if (adapter->layout == Adapter::Layout::wrong)
        return;
    try {
        auto state = std::make_unique<Client_state>();
        client_vfuncs *last = client->vlast;
        state->client = client;
        state->super = *last;
        client_vfuncs *super = &state->super;
        adapter->clients.emplace(client, std::move(state));
        client->vlast = super;
        last->sasl_filter_mech = on_filter_mech;
        last->proxy_parse_line = on_proxy_line;
        last->proxy_failed = on_proxy_failed;
        last->free = on_free;
    } catch (...) {
        // Without memory this client does without the plugin; a route with a policy fails.
    }
}

const login_client_hooks hooks = {on_client_allocated};

} // namespace

void install_login_plugin(::module *dovecot_module, std::unique_ptr<Login_plugin> plugin)
{
    auto made = std::make_unique<Adapter>();
    made->plugin = std::move(plugin);
    adapter = made.release(); // no destructor for it when the process exits: clients may be left
    login_client_hooks_add(dovecot_module, &hooks);
}

void remove_login_plugin()
{
    if (adapter == nullptr)
        return;
    login_client_hooks_remove(&hooks);
    // Their hooks lead here for as long as there are clients.
    if (!adapter->clients.empty())
        return;
    const std::unique_ptr<Adapter> gone(std::exchange(adapter, nullptr));
}

} // namespace proxymap
