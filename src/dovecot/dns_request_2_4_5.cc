// See dns_request.h: Dovecot 2.4.5 and later, where path and time-out are settings.
#include "dns_request.h"

extern "C" {
#include <master-service.h>
#include <settings.h>
}

namespace proxymap {

namespace {

// Over those of dovecot.conf: its path is one outside of a login process's chroot. They live until
// the process ends. Null: Dovecot has no settings.
settings_instance *dns_settings(event *parent)
{
    static settings_instance *instance = nullptr;
    settings_root *root = settings_root_find(parent);
    if (instance == nullptr && root != nullptr) {
        instance = settings_instance_new(root);
        auto set = [](const char *name, const std::string &value) {
            settings_override(instance, name, value.c_str(), SETTINGS_OVERRIDE_TYPE_CODE);
        };
        // What begins with ./ is taken as it is.
        set("dns_client_socket_path", "./" DNS_CLIENT_SOCKET_NAME);
        set("dns_client_timeout", std::to_string(dns_timeout_msecs) + "ms");
    }
    return instance;
}

} // namespace

int start_dns_request(struct ioloop *loop, const char *name, dns_lookup_callback_t *callback,
                      void *context, struct dns_lookup **lookup_r)
{
    event *parent = event_create(master_service_get_event(master_service));
    event_set_ptr(parent, SETTINGS_EVENT_INSTANCE, dns_settings(parent));
    dns_client_parameters parameters{};
    parameters.ioloop = loop;
    const int ret = (dns_lookup)(name, &parameters, parent, callback, context, lookup_r);
    event_unref(&parent);
    return ret;
}

} // namespace proxymap
