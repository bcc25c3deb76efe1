// See auth_client.h.
#include "auth_client.h"

#include <cerrno>
#include <cstring>
#include <ctime>

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

namespace proxymap::bench {

namespace {

constexpr std::uint64_t handshake_ns = 10'000'000'000;

} // namespace

Auth_client::Auth_client(const std::string &socket_path)
{
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (socket_path.size() >= sizeof address.sun_path)
        die("--socket: the path is longer than the " + std::to_string(sizeof address.sun_path - 1) +
            " bytes that a unix socket allows");
    socket_path.copy(address.sun_path, socket_path.size());

    // Blocking while connecting: a full backlog makes us wait instead of failing with EAGAIN.
    fd_ = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd_ < 0 || connect(fd_, reinterpret_cast<sockaddr *>(&address), sizeof address) < 0)
        die("cannot connect to " + socket_path + ": " + std::strerror(errno));

    send("VERSION\t1\t2");
    send("CPID\t" + std::to_string(getpid()));
    bool done = false;
    const std::uint64_t deadline = monotonic_ns() + handshake_ns;
    while (!done) {
        if (monotonic_ns() >= deadline)
            die("no handshake from " + socket_path + " within 10 s");
        wait(deadline, [&](std::string_view line) {
            if (line.starts_with("VERSION\t") && !line.starts_with("VERSION\t1\t"))
                die("the server speaks another protocol than version 1: " + std::string(line));
            done = done || line == "DONE";
        });
    }
}

Auth_client::~Auth_client()
{
    close(fd_);
}

void Auth_client::send(std::string_view line)
{
    out_ += line;
    out_ += '\n';
}

void Auth_client::flush()
{
    while (out_sent_ < out_.size()) {
        const ssize_t n = ::send(fd_, out_.data() + out_sent_, out_.size() - out_sent_,
                                 MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN)
            return; // the server does not read while many of its replies wait for us
        if (n < 0)
            die(std::string("cannot send to the auth socket: ") + std::strerror(errno));
        out_sent_ += static_cast<std::size_t>(n);
    }
    out_.clear();
    out_sent_ = 0;
}

void Auth_client::wait(std::uint64_t until, const std::function<void(std::string_view)> &each)
{
    flush();

    const std::uint64_t now = monotonic_ns();
    const std::uint64_t left = until > now ? until - now : 0;
    const timespec timeout{static_cast<time_t>(left / 1'000'000'000),
                           static_cast<long>(left % 1'000'000'000)};
    pollfd poll_fd{fd_, static_cast<short>(out_.empty() ? POLLIN : POLLIN | POLLOUT), 0};
    if (ppoll(&poll_fd, 1, &timeout, nullptr) < 0 && errno != EINTR)
        die(std::string("cannot wait for the auth socket: ") + std::strerror(errno));
    if ((poll_fd.revents & (POLLIN | POLLHUP | POLLERR)) == 0)
        return;

    char buffer[65536];
    const ssize_t n = recv(fd_, buffer, sizeof buffer, MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n < 0)
        die(std::string("cannot read from the auth socket: ") + std::strerror(errno));
    if (n == 0)
        die("the auth process closed the connection; its log says why");

    in_.append(buffer, static_cast<std::size_t>(n));
    std::size_t begin = 0;
    for (std::size_t end; (end = in_.find('\n', begin)) != std::string::npos; begin = end + 1)
        each(std::string_view(in_).substr(begin, end - begin));
    in_.erase(0, begin);
}

} // namespace proxymap::bench
