// See dns_request.h: up to Dovecot 2.4.1.
#include "dns_request.h"

namespace proxymap {

int start_dns_request(struct ioloop *loop, const char *name, dns_lookup_callback_t *callback,
                      void *context, struct dns_lookup **lookup_r)
{
    dns_lookup_settings settings{};
    settings.dns_client_socket_path = DNS_CLIENT_SOCKET_NAME;
    settings.timeout_msecs = dns_timeout_msecs;
    settings.ioloop = loop;
    return (dns_lookup)(name, &settings, callback, context, lookup_r);
}

} // namespace proxymap
