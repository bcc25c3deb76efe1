// Login processes of both branches: what a backend says before its client is logged in. The
// backstop of the TLS policies, and the names of other backends (redirects).
#include "login_client.h"

#include "../core/base64.h"
#include "../login-proxy-ext/redirect.h"

#include <cstring>

namespace proxymap {

namespace {

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

} // namespace

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

} // namespace proxymap
