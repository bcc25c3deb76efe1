// What a script would do in place of the tool: one `set` after the other to one memcached on a unix
// socket, each waiting for its reply. No journal, no marker, nothing is atomic.
//
// plain-sets SOCKET COUNT    prints how many seconds it took
#include "program.h"

#include <cstring>
#include <string_view>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

using namespace proxymap::bench;

namespace {

int connect_to(const std::string &path)
{
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path.size() >= sizeof(address.sun_path))
        die(path + ": is too long for a socket's path");
    std::memcpy(address.sun_path, path.data(), path.size());
    const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, reinterpret_cast<sockaddr *>(&address), sizeof(address)) < 0)
        die(path + ": " + std::strerror(errno));
    return fd;
}

void set(int fd, const std::string &command)
{
    constexpr std::string_view stored = "STORED\r\n";
    if (send(fd, command.data(), command.size(), MSG_NOSIGNAL) !=
        static_cast<ssize_t>(command.size()))
        die("memcached took no command");
    char reply[64];
    std::size_t length = 0;
    while (length < stored.size()) {
        const ssize_t got = recv(fd, reply + length, sizeof(reply) - length, 0);
        if (got <= 0)
            die("memcached gave no reply");
        length += static_cast<std::size_t>(got);
    }
    if (std::string_view(reply, length) != stored)
        die("memcached stored nothing");
}

} // namespace

int main(int argc, char **argv)
{
    if (argc != 3)
        die("usage: plain-sets SOCKET COUNT");
    const int fd = connect_to(argv[1]);
    const unsigned long count = std::strtoul(argv[2], nullptr, 10);
    const std::uint64_t start = monotonic_ns();
    for (unsigned long i = 0; i < count; ++i) {
        // As the mirrors hold it.
        char user[64];
        std::snprintf(user, sizeof(user), "user%07lu@example.com", i);
        const std::string value = std::string("user ") + user + " host=192.0.2." +
                                  std::to_string(i % 10 + 1) + " pos=0123456789abcdef.1.1";
        set(fd, std::string("set pm:user:") + user + " 0 0 " + std::to_string(value.size()) +
                    "\r\n" + value + "\r\n");
    }
    std::printf("%.3f\n", static_cast<double>(monotonic_ns() - start) / 1e9);
    close(fd);
}
