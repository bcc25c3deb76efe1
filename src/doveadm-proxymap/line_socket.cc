// See line_socket.h.
#include "line_socket.h"

#include "store/host_addresses.h"

#include <arpa/inet.h>
#include <cerrno>
#include <cstring>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <vector>

namespace proxymap {

namespace {

constexpr std::size_t read_bytes = 65536;

Error system_error(const char *what)
{
    return Error{std::string(what) + ": " + std::strerror(errno)};
}

Result<Done> wait_for(int fd, short events, std::uint32_t timeout)
{
    pollfd waiting{fd, events, 0};
    const int ready = poll(&waiting, 1, static_cast<int>(timeout));
    if (ready > 0 || (ready < 0 && errno == EINTR)) // who waits tries again
        return Done{};
    return ready == 0 ? Error{"no answer within " + std::to_string(timeout) + " ms"}
                      : system_error("waiting for it");
}

Result<Fd> connect_socket(const sockaddr *address, socklen_t length, std::uint32_t timeout)
{
    Fd fd(socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!fd.ok())
        return system_error("cannot make a socket");
    if (connect(fd.get(), address, length) < 0) {
        if (errno != EINPROGRESS)
            return system_error("connecting");
        if (const Result<Done> ready = wait_for(fd.get(), POLLOUT, timeout); !ready)
            return Error{"connecting: " + ready.error().message};
        socklen_t size = sizeof(errno);
        int error = 0;
        getsockopt(fd.get(), SOL_SOCKET, SO_ERROR, &error, &size);
        errno = error;
        if (error != 0)
            return system_error("connecting");
    }
    return fd;
}

Result<Fd> connect_path(const std::string &path, std::uint32_t timeout)
{
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path.size() >= sizeof(address.sun_path))
        return Error{"the path of its socket is too long"};
    std::memcpy(address.sun_path, path.data(), path.size());
    return connect_socket(reinterpret_cast<const sockaddr *>(&address), sizeof(address), timeout);
}

// host: numeric.
Result<Fd> connect_host(const std::string &host, std::uint16_t port, std::uint32_t timeout)
{
    sockaddr_in v4{};
    if (inet_pton(AF_INET, host.c_str(), &v4.sin_addr) == 1) {
        v4.sin_family = AF_INET;
        v4.sin_port = htons(port);
        return connect_socket(reinterpret_cast<const sockaddr *>(&v4), sizeof(v4), timeout);
    }
    sockaddr_in6 v6{};
    if (inet_pton(AF_INET6, host.c_str(), &v6.sin6_addr) != 1)
        return Error{host + " is no address"};
    v6.sin6_family = AF_INET6;
    v6.sin6_port = htons(port);
    return connect_socket(reinterpret_cast<const sockaddr *>(&v6), sizeof(v6), timeout);
}

Result<Fd> connect_to(const Line_socket::Address &address, std::uint32_t timeout)
{
    if (!address.path.empty())
        return connect_path(address.path, timeout);
    const Result<std::vector<std::string>> hosts = Host_addresses(address.host).get(timeout);
    if (!hosts)
        return hosts.error();
    Error error{"it has no address"};
    for (const std::string &host : *hosts) {
        Result<Fd> fd = connect_host(host, address.port, timeout);
        if (fd)
            return fd;
        error = fd.error();
    }
    return error;
}

} // namespace

Result<Line_socket> Line_socket::connect(const Address &address, std::uint32_t timeout)
{
    Result<Fd> fd = connect_to(address, timeout);
    if (!fd)
        return fd.error();
    return Line_socket(std::move(*fd), timeout);
}

Result<Done> Line_socket::send(std::string_view bytes)
{
    while (!bytes.empty()) {
        const ssize_t sent = ::send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
        if (sent > 0) {
            bytes.remove_prefix(static_cast<std::size_t>(sent));
            continue;
        }
        if (errno != EAGAIN && errno != EINTR)
            return system_error("asking it");
        if (Result<Done> ready = wait_for(fd_.get(), POLLOUT, timeout_); !ready)
            return ready;
    }
    return Done{};
}

Result<std::string_view> Line_socket::read_line(std::size_t max_bytes)
{
    std::size_t seen = start_; // there is no line end before it
    for (;;) {
        const std::size_t end = buffer_.find('\n', seen);
        if (end != std::string::npos && end - start_ <= max_bytes) {
            std::string_view line = std::string_view(buffer_).substr(start_, end - start_);
            start_ = end + 1;
            if (line.ends_with('\r'))
                line.remove_suffix(1);
            return line;
        }
        buffer_.erase(0, start_);
        start_ = 0;
        if (buffer_.size() > max_bytes)
            return Error{"it sent a line of more than " + std::to_string(max_bytes) + " bytes"};
        if (const Result<Done> ready = wait_for(fd_.get(), POLLIN, timeout_); !ready)
            return ready.error();
        seen = buffer_.size();
        buffer_.resize(seen + read_bytes);
        const ssize_t got = recv(fd_.get(), buffer_.data() + seen, read_bytes, 0);
        const int error = errno;
        buffer_.resize(seen + (got > 0 ? static_cast<std::size_t>(got) : 0));
        errno = error;
        if (got == 0)
            return Error{"it closed the connection"};
        if (got < 0 && errno != EAGAIN && errno != EINTR)
            return system_error("reading its answer");
    }
}

} // namespace proxymap
