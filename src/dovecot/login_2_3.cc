// Login processes of Dovecot 2.3; the rest is in login.cc.
#include "login_branch.h"

#include "login_layout.h"

#include <cstring>

#include <dlfcn.h>

extern "C" {
#include <master-service-ssl-settings.h>
}

namespace proxymap {

namespace {

// What Dovecot looks a context for connections to backends up by. In the data stack.
ssl_iostream_settings client_settings(const master_service_ssl_settings *ssl_set)
{
    ssl_iostream_settings set;
    master_service_ssl_client_settings_to_iostream_set(ssl_set, pool_datastack_create(), &set);
    set.allow_invalid_cert = TRUE; // as login_proxy_starttls() does, which also clears these two
    set.ca_file = set.ca_dir = nullptr;
    return set;
}

} // namespace

Result<ssl_iostream_context *> Own_context::prepare(::client *client, const Tls_policy &policy)
{
    const std::string label = "proxymap:" + policy.name;
    auto *copy = static_cast<master_service_ssl_settings *>(
        p_malloc(client->pool, sizeof(master_service_ssl_settings)));
    *copy = *client->ssl_set;
    copy->ssl_ca = p_strdup(client->pool, label.c_str());
    // Dovecot sets these on each connection, after the context has been made.
    copy->ssl_min_protocol = p_strdup(client->pool, policy.min_protocol.c_str());
    copy->ssl_client_cert = copy->ssl_client_key = "";

    const ssl_iostream_settings set = client_settings(copy);
    ssl_iostream_context *context = nullptr;
    const char *error = nullptr;
    if (ssl_iostream_client_context_cache_get(&set, &context, &error) < 0)
        return Error{std::string("cannot create a TLS context: ") + error};
    // The cache keeps a reference of its own until the process ends.
    ssl_iostream_context *kept = context;
    ssl_iostream_context_unref(&context);
    if (kept->set.ca == nullptr || label != kept->set.ca)
        return Error{"Dovecot's TLS context is not the one of this policy"};
    settings_ = client->ssl_set;
    client->ssl_set = copy;
    return kept;
}

// Dovecot takes the client's settings.
void Own_context::use_for(::client *) {}

// The client may STARTTLS again after a failed login, which reads ssl_set too.
void Own_context::restore(::client *client)
{
    if (settings_ != nullptr)
        client->ssl_set = static_cast<const master_service_ssl_settings *>(settings_);
    settings_ = nullptr;
}

// Each client has settings of its own.
static void set_reconnects(const ::client *client, unsigned limit)
{
    const_cast<login_settings *>(client->set)->login_proxy_max_reconnects = limit;
}

Reconnect_limit::Reconnect_limit(::client *client, unsigned limit)
    : client_(client), before_(client->set->login_proxy_max_reconnects),
      is_another_(limit != before_)
{
    if (is_another_)
        set_reconnects(client_, limit);
}

Reconnect_limit::~Reconnect_limit()
{
    if (is_another_)
        set_reconnects(client_, before_);
}

istream *backend_input(login_proxy *proxy)
{
    return login_proxy_get_istream(proxy);
}

ostream *backend_output(login_proxy *proxy)
{
    return login_proxy_get_ostream(proxy);
}

bool uses_tls(const login_proxy *proxy)
{
    return (login_proxy_get_ssl_flags(proxy) & PROXY_SSL_FLAG_YES) != 0;
}

bool begins_with_starttls(const login_proxy *proxy)
{
    return (login_proxy_get_ssl_flags(proxy) & PROXY_SSL_FLAG_STARTTLS) != 0;
}

Redirects redirects_of(const ::client *)
{
    return Redirects::none;
}

bool awaits_redirect(const ::client *)
{
    return false;
}

void set_source(login_proxy *, const Ip &) {}

bool has_forward_field(const ::client *client, const char *name)
{
    return client->forward_fields != nullptr &&
           std::strstr(str_c(client->forward_fields), name) != nullptr;
}

bool ssl_settings_fit()
{
    return master_service_ssl_setting_parser_info.struct_size ==
           sizeof(master_service_ssl_settings);
}

Result<Done> load_tls_module()
{
    if (dlsym(RTLD_DEFAULT, "dovecot_ssl_extdata_index") != nullptr)
        return Done{};
    const ssl_iostream_settings set = client_settings(global_ssl_settings);
    ssl_iostream_context *context = nullptr;
    const char *error = nullptr;
    if (ssl_iostream_client_context_cache_get(&set, &context, &error) < 0)
        return Error{error};
    ssl_iostream_context_unref(&context);
    return Done{};
}

} // namespace proxymap
