// libproxymap_noport.so, for LD_PRELOAD: a source address serves as many connections to each
// backend as it has ports, in place of as many in all, and its bind() stays cheap when many are in
// use. Sets IP_BIND_ADDRESS_NO_PORT (ip(7)) on stream sockets that are bound to an address with
// port 0, so that the kernel chooses the port in connect(), where it knows the destination.
//
// MUST: every other bind(), and what bind() returns, stay as they are. Runs in processes that know
// nothing of it: no exception, no allocation, nothing of libstdc++, no lock.
#include <atomic>
#include <cerrno>
#include <cstring>

#include <dlfcn.h>
#include <netinet/in.h>
#include <sys/socket.h>

#ifndef IP_BIND_ADDRESS_NO_PORT
#define IP_BIND_ADDRESS_NO_PORT 24
#endif

namespace {

using Bind = int (*)(int, const sockaddr *, socklen_t);

// Whoever is first finds it; others that find it at the same time find the same.
constinit std::atomic<Bind> next_bind{nullptr};

bool is_address_without_port(const sockaddr *address, socklen_t length)
{
    if (address == nullptr || length < sizeof(address->sa_family))
        return false;
    sa_family_t family;
    std::memcpy(&family, address, sizeof(family));
    if (family == AF_INET && length >= sizeof(sockaddr_in)) {
        sockaddr_in v4;
        std::memcpy(&v4, address, sizeof(v4));
        return v4.sin_port == 0 && v4.sin_addr.s_addr != htonl(INADDR_ANY);
    }
    if (family == AF_INET6 && length >= sizeof(sockaddr_in6)) {
        sockaddr_in6 v6;
        std::memcpy(&v6, address, sizeof(v6));
        constexpr unsigned char any[16] = {};
        constexpr unsigned char mapped_any[16] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
        return v6.sin6_port == 0 && std::memcmp(&v6.sin6_addr, any, sizeof(any)) != 0 &&
               std::memcmp(&v6.sin6_addr, mapped_any, sizeof(mapped_any)) != 0;
    }
    return false;
}

bool is_stream(int fd)
{
    int type = 0;
    socklen_t length = sizeof(type);
    return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &length) == 0 && type == SOCK_STREAM;
}

} // namespace

extern "C" __attribute__((visibility("default"))) int bind(int fd, const sockaddr *address,
                                                           socklen_t length) noexcept
{
    const int saved_errno = errno;
    if (is_address_without_port(address, length) && is_stream(fd)) {
        const int yes = 1;
        // Works for IPv6 sockets too. Where it does not, all is as without this library.
        setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &yes, sizeof(yes));
    }
    Bind next = next_bind.load(std::memory_order_relaxed);
    if (next == nullptr) {
        next = reinterpret_cast<Bind>(dlsym(RTLD_NEXT, "bind"));
        if (next == nullptr) {
            errno = ENOSYS;
            return -1;
        }
        next_bind.store(next, std::memory_order_relaxed);
    }
    errno = saved_errno;
    return next(fd, address, length);
}
