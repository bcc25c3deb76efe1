// Login processes of both branches: how the plugin gets between auth's reply and the backend.
// login_tls.cc and login_lines.cc have the other halves, by login_client.h; login_2_3.cc,
// login_2_4.cc and login_names_*.cc what differs, by login_branch.h.
//
//   client_allocated    one Client_state for each client
//   v.sasl_filter_mech  the one hook between "core set sasl_callback" and auth's reply: there the
//                       callback is replaced by on_auth_reply()
//   on_auth_reply()     asks the plugin, and hands on what it says
//   TLS                 a policy judges inside a context of its own: login_tls.cc
//   v.proxy_parse_line  the backstop before anything is said to the backend, and a redirect, where
//                       the backend's answer to the login names another one: login_lines.cc
//   v.proxy_failed      another source address, or no second try with a refused certificate
//
// MUST: fails closed. Dovecot is told to accept any certificate where a policy judges it, so that a
// login whose handshake the policy has not seen and passed must not say a word.
// MUST: nothing is thrown into Dovecot's C code.
#include "login_client.h"

#include "log.h"
#include "login_layout.h"

#include <cerrno>
#include <cstring>
#include <exception>
#include <utility>

namespace proxymap {

Adapter *adapter = nullptr;

Client_state *find_state(const ::client *client)
{
    auto found = adapter->clients.find(client);
    return found == adapter->clients.end() ? nullptr : found->second.get();
}

std::string address_of(const login_proxy *proxy)
{
    return format_host_port(login_proxy_get_ip_str(proxy), login_proxy_get_port(proxy));
}

// The client may STARTTLS again after a failed login, which reads ssl_set too.
void end_attempt(Client_state *state)
{
    state->context.restore(state->client);
    state->redirected = false;
    forget_handshake(state);
    state->refusal.clear();
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

namespace {

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

// ---- one attempt

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
    if (client->sasl_callback != nullptr) {
        if (const char *difference = find_difference_at_login(client))
            call_layout_wrong(difference);
    }
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
