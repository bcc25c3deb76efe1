// Login processes of both branches: how a connection to a backend and the policy that judges it
// find each other.
//
// A policy has a context of its own in Dovecot's cache (Own_context); Dovecot makes the SSL from
// it, and Backend_tls, which has set that context up, asks find_handshake() whose it is. Dovecot
// takes any certificate there: what the policy has not passed is stopped in login_lines.cc.
#include "login_client.h"

#include "log.h"

#include <cstring>
#include <utility>

#include <dlfcn.h>

namespace proxymap {

namespace {

const int *find_ssl_extdata_index()
{
    // In Dovecot's TLS module, which is loaded when it is first needed.
    static const int *index =
        static_cast<const int *>(dlsym(RTLD_DEFAULT, "dovecot_ssl_extdata_index"));
    return index;
}

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

} // namespace

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

void expect_handshake(Client_state *state, Backend_tls *tls, std::string host)
{
    reveal_password(state); // to be hidden again for the next connection
    forget_handshake(state);
    state->handshake = std::make_unique<Backend_handshake>();
    state->handshake->policy = tls;
    state->handshake->host = std::move(host);
    adapter->connecting.push_back(state);
}

void hide_password(Client_state *state)
{
    ::client *client = state->client;
    if (client->proxy_password == nullptr || state->password != nullptr)
        return;
    state->password = client->proxy_password;
    client->proxy_password = i_strdup("");
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

} // namespace proxymap
