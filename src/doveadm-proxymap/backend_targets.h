// Where the proxy connects to, one entry for each backend record and service: as the routes that
// name the backend say, by the same code.
#pragma once

#include "core/configuration.h"
#include "core/record.h"

#include <cstdint>
#include <set>
#include <string>
#include <vector>

namespace proxymap {

enum class Target_tls : std::uint8_t { none, starttls, at_once };

struct Backend_target {
    std::string backend; // name of its record
    Service service = Service::imap;
    std::string host;    // what its certificate is compared with
    std::string address; // what is connected to: hostip, or host
    std::uint16_t port = 0;
    Target_tls tls = Target_tls::none;
    bool any_cert = false; // the route accepts every certificate
    std::string policy;    // TLS policy; "" for none
    std::string pool;      // source pool; "" for none
    std::string refused;   // why no login can go there: no target

    std::string label() const; // "backend b1 imap"
};

// services: those that are proxied here. A backend that is down is left out.
std::vector<Backend_target> find_backend_targets(const std::vector<Record> &backends,
                                                 const std::set<Service> &services,
                                                 const Configuration &configuration, bool is_2_4);

// Of Dovecot (client-common-auth.c, lmtp-proxy.c), where the record names none: login processes of
// 2.3 go to the port without TLS even for TLS at once; LMTP takes the port that it listens on
// itself, which is 24 nearly everywhere.
std::uint16_t default_port(Service service, Target_tls tls, bool is_2_4);

} // namespace proxymap
