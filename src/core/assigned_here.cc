// Asks the kernel whether an address is assigned; see assigned_here.h.
//
// Must never bind a port: that is what the connections of the address need.
#include "assigned_here.h"

#include <cerrno>
#include <cstring>

#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

namespace proxymap {

Assigned_here::~Assigned_here()
{
    for (const int fd : sockets_) {
        if (fd >= 0)
            close(fd);
    }
}

bool Assigned_here::operator()(const Ip &ip)
{
    int &fd = sockets_[ip.v6 ? 1 : 0];
    if (fd < 0) {
        const int family = ip.v6 ? AF_INET6 : AF_INET;
        const int made = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        if (made < 0)
            return errno != EAFNOSUPPORT;
        const int yes = 1;
        // A level of its own for IPv6 does not exist: this one works for both families.
        if (setsockopt(made, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &yes, sizeof(yes)) < 0) {
            close(made);
            return true;
        }
        fd = made;
    }
    // A socket without a port can be bound again and again (Linux: inet_bind() asks for a port).
    if (ip.v6) {
        sockaddr_in6 address{};
        address.sin6_family = AF_INET6;
        std::memcpy(&address.sin6_addr, ip.bytes.data(), 16);
        if (bind(fd, reinterpret_cast<const sockaddr *>(&address), sizeof(address)) == 0)
            return true;
    } else {
        sockaddr_in address{};
        address.sin_family = AF_INET;
        std::memcpy(&address.sin_addr, ip.bytes.data(), 4);
        if (bind(fd, reinterpret_cast<const sockaddr *>(&address), sizeof(address)) == 0)
            return true;
    }
    return errno != EADDRNOTAVAIL;
}

} // namespace proxymap
