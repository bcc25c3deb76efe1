// See memcached_socket.h.
#include "memcached_socket.h"

#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

namespace proxymap {

namespace {

constexpr std::size_t max_line_bytes = 1024;
constexpr std::string_view line_end = "\r\n";

int connect_unix(const std::string &path, const timeval &timeout)
{
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path.size() >= sizeof(address.sun_path)) {
        errno = ENAMETOOLONG;
        return -1;
    }
    std::memcpy(address.sun_path, path.data(), path.size());
    const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && (setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout)) != 0 ||
                    connect(fd, reinterpret_cast<sockaddr *>(&address), sizeof(address)) != 0)) {
        const int error = errno;
        close(fd);
        errno = error;
        return -1;
    }
    return fd;
}

int connect_tcp(const Memcached_endpoint &endpoint, const timeval &timeout)
{
    addrinfo hints{};
    hints.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV;
    hints.ai_socktype = SOCK_STREAM;
    addrinfo *found = nullptr;
    if (getaddrinfo(endpoint.host.c_str(), std::to_string(endpoint.port).c_str(), &hints, &found) !=
        0) {
        errno = EINVAL;
        return -1;
    }
    const std::unique_ptr<addrinfo, decltype(&freeaddrinfo)> address(found, freeaddrinfo);
    const int fd = socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const int yes = 1; // batches are made here
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes));
    if (fd >= 0 && (setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout)) != 0 ||
                    connect(fd, address->ai_addr, address->ai_addrlen) != 0)) {
        const int error = errno;
        close(fd);
        errno = error;
        return -1;
    }
    return fd;
}

} // namespace

Result<std::unique_ptr<Memcached_socket>> Memcached_socket::open(const Memcached_endpoint &endpoint,
                                                                 std::uint32_t timeout)
{
    const timeval wait{timeout / 1000, static_cast<suseconds_t>(timeout % 1000) * 1000};
    const int fd =
        endpoint.path.empty() ? connect_tcp(endpoint, wait) : connect_unix(endpoint.path, wait);
    if (fd < 0) {
        const bool late = errno == EINPROGRESS || errno == EAGAIN;
        return Error{late ? "no answer within " + std::to_string(timeout) + " ms"
                          : std::string(std::strerror(errno))};
    }
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait));
    return std::make_unique<Memcached_socket>(Private{}, fd, timeout);
}

Memcached_socket::~Memcached_socket()
{
    close(fd_);
}

Result<Done> Memcached_socket::send_all(std::string_view bytes)
{
    while (!bytes.empty()) {
        const auto sent = send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR) {
            continue;
        }
        if (sent < 0) {
            return give_up(errno == EAGAIN
                               ? "it took nothing within " + std::to_string(timeout_) + " ms"
                               : "writing: " + std::string(std::strerror(errno)));
        }
        bytes.remove_prefix(static_cast<std::size_t>(sent));
    }
    return Done{};
}

Result<std::string> Memcached_socket::read_line()
{
    for (;;) {
        const auto end = input_.find(line_end, read_);
        if (end != std::string::npos) {
            std::string line = input_.substr(read_, end - read_);
            read_ = end + line_end.size();
            return line;
        }
        if (input_.size() - read_ > max_line_bytes) {
            return give_up("its answer is not memcached's protocol");
        }
        if (auto received = receive(); !received) {
            return received.error();
        }
    }
}

Result<std::string> Memcached_socket::read_bytes(std::size_t count)
{
    while (input_.size() - read_ < count) {
        if (auto received = receive(); !received) {
            return received.error();
        }
    }
    std::string bytes = input_.substr(read_, count);
    read_ += count;
    return bytes;
}

Result<Done> Memcached_socket::receive()
{
    input_.erase(0, std::exchange(read_, 0));
    char buffer[16384];
    ssize_t length = 0;
    do {
        length = recv(fd_, buffer, sizeof(buffer), 0);
    } while (length < 0 && errno == EINTR);
    if (length < 0) {
        return give_up(errno == EAGAIN ? "no answer within " + std::to_string(timeout_) + " ms"
                                       : "reading: " + std::string(std::strerror(errno)));
    }
    if (length == 0) {
        return give_up("it closed the connection");
    }
    input_.append(buffer, static_cast<std::size_t>(length));
    return Done{};
}

Error Memcached_socket::give_up(const std::string &why)
{
    given_up_ = true;
    return Error{why};
}

} // namespace proxymap
