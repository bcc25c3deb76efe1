// Login processes of Dovecot 2.4; the rest is in login.cc.
//
// Settings are looked up by event there: a policy has a settings instance of its own, which the
// event of each connection that it judges points to. Dovecot then makes and finds the policy's
// context. Since 2.4.2 a client's settings are read anew, and the old ones freed, when auth's reply
// comes: so nothing may stand in for them (Reconnect_limit).
#include "login_branch.h"

#include "login_layout.h"

#include <map>
#include <memory>

extern "C" {
#include <settings.h>
#include <ssl-settings.h>
}

namespace proxymap {

namespace {

// What is laid over dovecot.conf, and lives until the process ends, for settings that Dovecot has
// read point into it.
using Overrides = std::vector<std::pair<const char *, std::string>>;

settings_instance *make_instance(settings_root *root, const Overrides &overrides)
{
    settings_instance *instance = settings_instance_new(root);
    for (const auto &[name, value] : overrides)
        settings_override(instance, name, value.c_str(), SETTINGS_OVERRIDE_TYPE_CODE);
    return instance;
}

// Of this policy; null when Dovecot's event has no settings.
settings_instance *find_instance(event *event, const Tls_policy &policy)
{
    static auto *instances = new std::map<std::string, settings_instance *>; // NOLINT
    settings_root *root = settings_root_find(event);
    if (root == nullptr)
        return nullptr;
    settings_instance *&instance = (*instances)[policy.name];
    if (instance == nullptr)
        instance = make_instance(root, {// A file's path and contents in one: here contents alone.
                                        {"ssl_client_ca_file", "\nproxymap:" + policy.name},
                                        {"ssl_client_cert_file", ""},
                                        {"ssl_client_key_file", ""},
                                        {"ssl_client_require_valid_cert", "no"},
                                        {"ssl_min_protocol", policy.min_protocol}});
    return instance;
}

// With that login_proxy_max_reconnects.
settings_instance *find_instance(event *event, unsigned reconnects)
{
    static auto *instances = new std::map<unsigned, settings_instance *>; // NOLINT
    settings_root *root = settings_root_find(event);
    if (root == nullptr)
        return nullptr;
    settings_instance *&instance = (*instances)[reconnects];
    if (instance == nullptr)
        instance =
            make_instance(root, {{"login_proxy_max_reconnects", std::to_string(reconnects)}});
    return instance;
}

struct Free_settings {
    void operator()(const ssl_settings *set) const { settings_free(set); }
    void operator()(const ssl_iostream_settings *set) const { settings_free(set); }
};

// As io_stream_autocreate_ssl_client() finds it for login_proxy_starttls().
Result<ssl_iostream_context *> find_context(event *event, const std::string &label)
{
    const char *error = nullptr;
    const ssl_settings *ssl_set = nullptr;
    if (ssl_client_settings_get(event, &ssl_set, &error) < 0)
        return Error{std::string("cannot read TLS settings: ") + error};
    const std::unique_ptr<const ssl_settings, Free_settings> ssl_holder(ssl_set);
    const ssl_iostream_settings *made = nullptr;
    ssl_client_settings_to_iostream_set(ssl_set, &made);
    const std::unique_ptr<const ssl_iostream_settings, Free_settings> made_holder(made);
    if (made->ca.content == nullptr || label != made->ca.content || !made->allow_invalid_cert)
        return Error{"Dovecot's TLS settings are not the ones of this policy"};

    pool_t pool = pool_alloconly_create("proxymap ssl settings", sizeof(ssl_iostream_settings));
    auto *copy = p_new(pool, ssl_iostream_settings, 1);
    const std::unique_ptr<const ssl_iostream_settings, Free_settings> copy_holder(copy);
    *copy = *made;
    copy->pool = pool;
    copy->ca_dir = nullptr; // SSL_IOSTREAM_FLAG_DISABLE_CA_FILES
    pool_add_external_ref(pool, made->pool);

    ssl_iostream_context *context = nullptr;
    const int ret = ssl_iostream_client_context_cache_get(copy, &context, &error);
    if (ret < 0)
        return Error{std::string("cannot create a TLS context: ") + error};
    // Dovecot does it where it makes the context itself.
    if (ret > 0 && login_binary->application_protocols != nullptr)
        ssl_iostream_context_set_application_protocols(context,
                                                       login_binary->application_protocols);
    // The cache keeps a reference of its own until the process ends.
    ssl_iostream_context *kept = context;
    ssl_iostream_context_unref(&context);
    return kept;
}

} // namespace

Result<ssl_iostream_context *> Own_context::prepare(::client *client, const Tls_policy &policy)
{
    settings_instance *instance = find_instance(client->event, policy);
    if (instance == nullptr)
        return Error{"Dovecot has no settings for this client"};
    event *with_instance = event_create(client->event);
    event_set_ptr(with_instance, SETTINGS_EVENT_INSTANCE, instance);
    Result<ssl_iostream_context *> context = find_context(with_instance, "proxymap:" + policy.name);
    event_unref(&with_instance);
    settings_ = context ? instance : nullptr;
    return context;
}

// Reconnects and redirects use the event too.
void Own_context::use_for(::client *client)
{
    login_proxy *proxy = client->login_proxy;
    event_set_ptr(login_proxy_get_event(proxy), SETTINGS_EVENT_INSTANCE,
                  const_cast<void *>(settings_));
    // IMAP's proxy would ask for it before TLS, and believe what comes in clear through its side
    // channel.
    if (begins_with_starttls(proxy))
        client->proxy_no_multiplex = true;
}

// The event goes with its connection.
void Own_context::restore(::client *)
{
    settings_ = nullptr;
}

// Each client has settings of its own.
static void set_reconnects(const ::client *client, unsigned limit)
{
    const_cast<login_settings *>(client->set)->login_proxy_max_reconnects = limit;
}

// In what the client has, and in what it may read meanwhile.
Reconnect_limit::Reconnect_limit(::client *client, unsigned limit)
    : client_(client), before_(client->set->login_proxy_max_reconnects),
      is_another_(limit != before_)
{
    if (!is_another_)
        return;
    set_reconnects(client, limit);
    event_set_ptr(client->event, SETTINGS_EVENT_INSTANCE, find_instance(client->event, limit));
}

Reconnect_limit::~Reconnect_limit()
{
    if (!is_another_)
        return;
    set_reconnects(client_, before_);
    event_set_ptr(client_->event, SETTINGS_EVENT_INSTANCE, nullptr);
}

istream *backend_input(login_proxy *proxy)
{
    return login_proxy_get_server_istream(proxy);
}

ostream *backend_output(login_proxy *proxy)
{
    return login_proxy_get_server_ostream(proxy);
}

bool uses_tls(const login_proxy *proxy)
{
    return (login_proxy_get_ssl_flags(proxy) & AUTH_PROXY_SSL_FLAG_YES) != 0;
}

bool begins_with_starttls(const login_proxy *proxy)
{
    return (login_proxy_get_ssl_flags(proxy) & AUTH_PROXY_SSL_FLAG_STARTTLS) != 0;
}

Redirects redirects_of(const ::client *client)
{
    return client->proxy_redirect_reauth ? Redirects::asked_about : Redirects::followed;
}

bool awaits_redirect(const ::client *client)
{
    return client->reauth_request != nullptr;
}

// What Dovecot shows of its proxy is the member itself, and it has no other function for it.
void set_source(login_proxy *proxy, const Ip &source)
{
    auto *member = const_cast<ip_addr *>(login_proxy_get_source_host(proxy));
    if (net_addr2ip(format_ip(source).c_str(), member) < 0)
        i_zero(member);
}

bool has_forward_field(const ::client *client, const char *name)
{
    if (!array_is_created(&client->forward_fields))
        return false;
    unsigned int count;
    auto *list = static_cast<const char *const *>(array_get_i(&client->forward_fields.arr, &count));
    return std::any_of(list, list + count,
                       [name](const char *field) { return str_begins_with(field, name); });
}

bool ssl_settings_fit()
{
    return ssl_setting_parser_info.struct_size == sizeof(ssl_settings);
}

Result<Done> load_tls_module()
{
    const char *error = nullptr;
    if (ssl_module_load(&error) < 0)
        return Error{error};
    return Done{};
}

} // namespace proxymap
