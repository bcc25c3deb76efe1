// "127.0.0.1:143" and what sockets take for it. IPv4 alone: the benchmarks have a network of their
// own.
#pragma once

#include "program.h"

#include <cstdlib>
#include <cstring>
#include <string>

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>

namespace proxymap::bench {

inline sockaddr_in parse_socket_address(const std::string &text)
{
    const std::size_t colon = text.find(':');
    sockaddr_in address{};
    address.sin_family = AF_INET;
    char *end = nullptr;
    const unsigned long port =
        colon == std::string::npos ? 65536 : std::strtoul(text.c_str() + colon + 1, &end, 10);
    if (port > 65535 || *end != '\0' ||
        inet_pton(AF_INET, text.substr(0, colon).c_str(), &address.sin_addr) != 1)
        die("\"" + text + "\" is not an IPv4 address and a port, such as 127.0.0.1:143");
    address.sin_port = htons(static_cast<std::uint16_t>(port));
    return address;
}

// Listens there; does not block.
inline int listen_on(const sockaddr_in &address)
{
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    const int yes = 1;
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes) < 0 ||
        bind(fd, reinterpret_cast<const sockaddr *>(&address), sizeof address) < 0 ||
        listen(fd, 4096) < 0)
        die(std::string("cannot listen: ") + std::strerror(errno));
    return fd;
}

// As many open files as are allowed.
inline void allow_many_files()
{
    rlimit limit{};
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
        die(std::string("cannot open many files: ") + std::strerror(errno));
}

} // namespace proxymap::bench
