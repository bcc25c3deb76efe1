// src/login-proxy-ext/noport.cc: bind() here is the one of the library, not libc's.
#include <cerrno>
#include <cstring>
#include <thread>
#include <vector>

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <CppUTest/TestHarness.h>

namespace {

class Socket {
  public:
    Socket(int family, int type) : fd(socket(family, type | SOCK_CLOEXEC, 0)) {}
    ~Socket() { close(fd); }
    Socket(const Socket &) = delete;
    Socket &operator=(const Socket &) = delete;

    int bind_v4(std::uint32_t address, std::uint16_t port = 0) const
    {
        sockaddr_in to{};
        to.sin_family = AF_INET;
        to.sin_addr.s_addr = htonl(address);
        to.sin_port = htons(port);
        return bind(fd, reinterpret_cast<sockaddr *>(&to), sizeof(to));
    }
    int bind_v6(const in6_addr &address) const
    {
        sockaddr_in6 to{};
        to.sin6_family = AF_INET6;
        to.sin6_addr = address;
        return bind(fd, reinterpret_cast<sockaddr *>(&to), sizeof(to));
    }
    bool has_option() const
    {
        int value = 0;
        socklen_t length = sizeof(value);
        LONGS_EQUAL(0, getsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &value, &length));
        return value != 0;
    }
    std::uint16_t port() const
    {
        sockaddr_storage at{};
        socklen_t length = sizeof(at);
        LONGS_EQUAL(0, getsockname(fd, reinterpret_cast<sockaddr *>(&at), &length));
        std::uint16_t port = 0; // at the same place in both families
        std::memcpy(&port, reinterpret_cast<const char *>(&at) + 2, sizeof(port));
        return ntohs(port);
    }
    const int fd;
};

} // namespace

TEST_GROUP(noport){};

TEST(noport, a_stream_socket_that_is_bound_to_an_address_gets_its_port_later)
{
    const Socket listener(AF_INET, SOCK_STREAM);
    LONGS_EQUAL(0, listener.bind_v4(INADDR_LOOPBACK, 0));
    LONGS_EQUAL(0, listen(listener.fd, 1)); // a listener gets one, too
    CHECK(listener.port() != 0);

    const Socket client(AF_INET, SOCK_STREAM);
    LONGS_EQUAL(0, client.bind_v4(INADDR_LOOPBACK + 1));
    CHECK_TRUE(client.has_option());
    LONGS_EQUAL(0, client.port());
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    to.sin_port = htons(listener.port());
    LONGS_EQUAL(0, connect(client.fd, reinterpret_cast<sockaddr *>(&to), sizeof(to)));
    CHECK(client.port() != 0);
    sockaddr_in from{};
    socklen_t length = sizeof(from);
    getsockname(client.fd, reinterpret_cast<sockaddr *>(&from), &length);
    LONGS_EQUAL(INADDR_LOOPBACK + 1, ntohl(from.sin_addr.s_addr));
}

TEST(noport, ipv6_is_the_same)
{
    const Socket socket(AF_INET6, SOCK_STREAM);
    if (socket.fd < 0 || socket.bind_v6(in6addr_loopback) != 0)
        return; // a machine without IPv6
    CHECK_TRUE(socket.has_option());
    LONGS_EQUAL(0, socket.port());
}

TEST(noport, the_wildcard_a_port_and_other_sockets_stay_as_they_are)
{
    const Socket wildcard(AF_INET, SOCK_STREAM);
    LONGS_EQUAL(0, wildcard.bind_v4(INADDR_ANY));
    CHECK_FALSE(wildcard.has_option());
    CHECK(wildcard.port() != 0);

    const Socket with_port(AF_INET, SOCK_STREAM);
    LONGS_EQUAL(-1, with_port.bind_v4(INADDR_LOOPBACK, wildcard.port()));
    LONGS_EQUAL(EADDRINUSE, errno);
    CHECK_FALSE(with_port.has_option());

    const Socket datagram(AF_INET, SOCK_DGRAM);
    LONGS_EQUAL(0, datagram.bind_v4(INADDR_LOOPBACK));
    CHECK_FALSE(datagram.has_option());
    CHECK(datagram.port() != 0);

    const Socket v6(AF_INET6, SOCK_STREAM);
    if (v6.fd >= 0 && v6.bind_v6(in6addr_any) == 0) {
        CHECK_FALSE(v6.has_option());
        CHECK(v6.port() != 0);
    }

    const Socket local(AF_UNIX, SOCK_STREAM);
    sockaddr_un name{};
    name.sun_family = AF_UNIX;
    LONGS_EQUAL(0, bind(local.fd, reinterpret_cast<sockaddr *>(&name), sizeof(name.sun_family)));
}

TEST(noport, what_bind_says_is_what_the_kernel_says)
{
    const Socket socket(AF_INET, SOCK_STREAM);
    LONGS_EQUAL(-1, socket.bind_v4(0xc0000201)); // 192.0.2.1
    LONGS_EQUAL(EADDRNOTAVAIL, errno);
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    for (const socklen_t length : {0, 1, 2, 8}) {
        LONGS_EQUAL(-1, bind(socket.fd, reinterpret_cast<sockaddr *>(&to), length));
        LONGS_EQUAL(EINVAL, errno);
    }
    LONGS_EQUAL(-1, bind(-1, reinterpret_cast<sockaddr *>(&to), sizeof(to)));
    LONGS_EQUAL(EBADF, errno);
    errno = ERANGE;
    LONGS_EQUAL(0, socket.bind_v4(INADDR_LOOPBACK));
    LONGS_EQUAL(ERANGE, errno);
}

TEST(noport, several_threads_may_bind_at_once)
{
    std::vector<std::thread> threads;
    std::vector<int> bound(8, 0);
    for (int &count : bound) {
        threads.emplace_back([&count] {
            for (int i = 0; i < 100; i++) {
                const Socket socket(AF_INET, SOCK_STREAM);
                count += socket.bind_v4(INADDR_LOOPBACK) == 0 ? 1 : 0;
            }
        });
    }
    for (std::thread &thread : threads)
        thread.join();
    for (const int count : bound)
        LONGS_EQUAL(100, count);
}
