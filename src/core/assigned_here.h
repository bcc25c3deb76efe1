// Whether an address is one of this host's, asked of the kernel.
#pragma once

#include "ip.h"

namespace proxymap {

class Assigned_here {
  public:
    Assigned_here() = default;
    ~Assigned_here();
    Assigned_here(const Assigned_here &) = delete;
    Assigned_here &operator=(const Assigned_here &) = delete;

    // By a bind(2) with IP_BIND_ADDRESS_NO_PORT, which takes no port and costs less than 1 us; a
    // plain one would take a port of the address, and milliseconds once many are in use. True
    // where the kernel cannot say; with net.ipv4.ip_nonlocal_bind it says yes to everything. Keeps
    // one socket for each family.
    bool operator()(const Ip &ip);

  private:
    int sockets_[2] = {-1, -1}; // IPv4, IPv6
};

} // namespace proxymap
