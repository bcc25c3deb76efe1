// MUST believe nothing that is longer than a line of memcached's can be.
#include "memcached_text.h"

#include "core/text.h"
#include "store/host_addresses.h"

#include <arpa/inet.h>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

namespace proxymap {

namespace {

constexpr int timeout_msecs = 5000;
constexpr std::size_t max_line_bytes = 4096;
constexpr std::size_t read_bytes = 65536;

Error system_error(const char *what)
{
    return Error{std::string(what) + ": " + std::strerror(errno)};
}

Result<Done> wait_for(int fd, short events)
{
    pollfd waiting{fd, events, 0};
    const int ready = poll(&waiting, 1, timeout_msecs);
    if (ready > 0)
        return Done{};
    return ready == 0 ? Error{"no answer within " + std::to_string(timeout_msecs) + " ms"}
                      : system_error("waiting for it");
}

Result<int> connect_socket(const sockaddr *address, socklen_t length)
{
    Fd fd(socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!fd.ok())
        return system_error("cannot make a socket");
    if (connect(fd.get(), address, length) < 0) {
        if (errno != EINPROGRESS)
            return system_error("connecting");
        if (const Result<Done> ready = wait_for(fd.get(), POLLOUT); !ready)
            return Error{"connecting: " + ready.error().message};
        socklen_t size = sizeof(errno);
        int error = 0;
        getsockopt(fd.get(), SOL_SOCKET, SO_ERROR, &error, &size);
        errno = error;
        if (error != 0)
            return system_error("connecting");
    }
    return dup(fd.get());
}

Result<int> connect_path(const std::string &path)
{
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path.size() >= sizeof(address.sun_path))
        return Error{"the path of its socket is too long"};
    std::memcpy(address.sun_path, path.data(), path.size());
    return connect_socket(reinterpret_cast<const sockaddr *>(&address), sizeof(address));
}

// host: numeric.
Result<int> connect_host(const std::string &host, std::uint16_t port)
{
    sockaddr_in v4{};
    if (inet_pton(AF_INET, host.c_str(), &v4.sin_addr) == 1) {
        v4.sin_family = AF_INET;
        v4.sin_port = htons(port);
        return connect_socket(reinterpret_cast<const sockaddr *>(&v4), sizeof(v4));
    }
    sockaddr_in6 v6{};
    if (inet_pton(AF_INET6, host.c_str(), &v6.sin6_addr) != 1)
        return Error{host + " is no address"};
    v6.sin6_family = AF_INET6;
    v6.sin6_port = htons(port);
    return connect_socket(reinterpret_cast<const sockaddr *>(&v6), sizeof(v6));
}

Result<int> connect_to(const Store_address &address)
{
    if (!address.path.empty())
        return connect_path(address.path);
    const Result<std::vector<std::string>> hosts = Host_addresses(address.host).get(timeout_msecs);
    if (!hosts)
        return hosts.error();
    Result<int> fd = Error{"it has no address"};
    for (const std::string &host : *hosts) {
        fd = connect_host(host, address.port);
        if (fd)
            break;
    }
    return fd;
}

} // namespace

std::optional<std::string> parse_dumped_key(std::string_view line)
{
    constexpr std::string_view start = "key=";
    if (!line.starts_with(start))
        return std::nullopt;
    line = line.substr(start.size(), line.find(' ') - start.size());
    std::string key;
    while (!line.empty()) {
        if (line[0] != '%') {
            key += line[0];
            line.remove_prefix(1);
            continue;
        }
        unsigned byte = 0;
        for (const std::size_t at : {1U, 2U}) {
            constexpr std::string_view digits = "0123456789abcdef";
            const std::size_t digit =
                at < line.size() ? digits.find(to_lower(line[at])) : std::string_view::npos;
            if (digit == std::string_view::npos)
                return std::nullopt;
            byte = byte << 4U | static_cast<unsigned>(digit);
        }
        key += static_cast<char>(byte);
        line.remove_prefix(3);
    }
    return key.empty() ? std::nullopt : std::optional(std::move(key));
}

Result<std::unique_ptr<Memcached_text>> Memcached_text::connect(const Store_address &address)
{
    const Result<int> fd = connect_to(address);
    if (!fd)
        return fd.error();
    std::unique_ptr<Memcached_text> connection(new Memcached_text(*fd));
    if (!connection->fd_.ok())
        return system_error("connecting");
    const auto begin = std::chrono::steady_clock::now();
    if (const Result<Done> asked = connection->ask("version"); !asked)
        return asked.error();
    const Result<std::string_view> line = connection->read_line();
    if (!line)
        return line.error();
    if (!line->starts_with("VERSION "))
        return Error{"its answer is not memcached's protocol"};
    connection->latency_ =
        static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::microseconds>(
                                       std::chrono::steady_clock::now() - begin)
                                       .count());
    return connection;
}

Result<Done> Memcached_text::ask(std::string_view command)
{
    const std::string line = std::string(command) + "\r\n"; // fits into any socket's buffer
    if (send(fd_.get(), line.data(), line.size(), MSG_NOSIGNAL) !=
        static_cast<ssize_t>(line.size()))
        return system_error("asking it");
    return Done{};
}

Result<std::string_view> Memcached_text::read_line()
{
    for (;;) {
        const std::size_t end = buffer_.find('\n', start_);
        if (end != std::string::npos) {
            std::string_view line = std::string_view(buffer_).substr(start_, end - start_);
            start_ = end + 1;
            if (line.ends_with('\r'))
                line.remove_suffix(1);
            return line;
        }
        buffer_.erase(0, start_);
        start_ = 0;
        if (buffer_.size() > max_line_bytes)
            return Error{"its answer is not memcached's protocol"};
        if (const Result<Done> ready = wait_for(fd_.get(), POLLIN); !ready)
            return ready.error();
        const std::size_t old = buffer_.size();
        buffer_.resize(old + read_bytes);
        const ssize_t got = recv(fd_.get(), buffer_.data() + old, read_bytes, 0);
        buffer_.resize(old + (got > 0 ? static_cast<std::size_t>(got) : 0));
        if (got == 0)
            return Error{"it closed the connection"};
        if (got < 0 && errno != EAGAIN && errno != EINTR)
            return system_error("reading its answer");
    }
}

Result<Memcached_text::Stats> Memcached_text::stats()
{
    if (const Result<Done> asked = ask("stats"); !asked)
        return asked.error();
    Stats stats;
    for (;;) {
        const Result<std::string_view> line = read_line();
        if (!line)
            return line.error();
        if (*line == "END")
            return stats;
        constexpr std::string_view start = "STAT ";
        const std::size_t blank = line->find(' ', start.size());
        if (!line->starts_with(start) || blank == std::string_view::npos)
            return Error{"its answer is not memcached's protocol"};
        stats.emplace(line->substr(start.size(), blank - start.size()), line->substr(blank + 1));
    }
}

Result<Done> Memcached_text::for_each_key(const std::function<void(std::string &&key)> &each)
{
    if (const Result<Done> asked = ask("lru_crawler metadump all"); !asked)
        return asked;
    for (;;) {
        const Result<std::string_view> line = read_line();
        if (!line)
            return line.error();
        if (*line == "END")
            return Done{};
        std::optional<std::string> key = parse_dumped_key(*line);
        if (!key)
            return Error{"it does not list its keys: " + quote(*line)};
        each(std::move(*key));
    }
}

} // namespace proxymap
