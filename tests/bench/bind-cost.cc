// bind-cost: what bind() costs as Dovecot calls it for a connection from a given source address
// (SO_REUSEADDR, port 0), and the connect() after it.
//
//   bind-cost --hold SHARE SOURCE   binds and connects until SHARE (0 to 1) of the port range is
//                                   in use at that address, says "holding N of M", waits for the
//                                   end of its input
//   bind-cost --measure N SOURCE    N times; prints one line of JSON, times of the calls in ns
//
// Whether libproxymap_noport.so is preloaded is the caller's business.
#include "program.h"
#include "socket_address.h"

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <numeric>
#include <string>
#include <string_view>
#include <vector>

#include <poll.h>
#include <sys/prctl.h>
#include <unistd.h>

using namespace proxymap::bench;

namespace {

// Where the connections end.
class Listener {
  public:
    Listener() : fd_(listen_on(parse_socket_address("127.0.0.1:0")))
    {
        socklen_t length = sizeof address_;
        getsockname(fd_, reinterpret_cast<sockaddr *>(&address_), &length);
    }
    const sockaddr_in &address() const { return address_; }
    int accept_one() const
    {
        pollfd ready{fd_, POLLIN, 0};
        poll(&ready, 1, -1);
        const int fd = accept4(fd_, nullptr, nullptr, SOCK_CLOEXEC);
        if (fd < 0)
            die(std::string("cannot accept: ") + std::strerror(errno));
        return fd;
    }

  private:
    int fd_;
    sockaddr_in address_{};
};

struct Cost {
    int fd;
    std::uint64_t bind_ns, connect_ns;
};

Cost connect_from(const sockaddr_in &source, const sockaddr_in &destination)
{
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const int yes = 1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    const std::uint64_t begin = monotonic_ns();
    if (bind(fd, reinterpret_cast<const sockaddr *>(&source), sizeof source) < 0)
        die(std::string("cannot bind: ") + std::strerror(errno));
    const std::uint64_t bound = monotonic_ns();
    if (connect(fd, reinterpret_cast<const sockaddr *>(&destination), sizeof destination) < 0)
        die(std::string("cannot connect: ") + std::strerror(errno));
    return {fd, bound - begin, monotonic_ns() - bound};
}

std::size_t ports_in_range()
{
    std::FILE *file = std::fopen("/proc/sys/net/ipv4/ip_local_port_range", "re");
    std::size_t low = 0, high = 0;
    if (file == nullptr || std::fscanf(file, "%zu %zu", &low, &high) != 2 || high <= low)
        die("cannot read the port range");
    std::fclose(file);
    return high - low + 1;
}

void hold(double share, const sockaddr_in &source)
{
    const std::size_t range = ports_in_range();
    const auto wanted = static_cast<std::size_t>(static_cast<double>(range) * share);
    const Listener listener;
    // The other ends are in another process: one may not have that many open files.
    const pid_t acceptor = fork();
    if (acceptor < 0)
        die(std::string("cannot fork: ") + std::strerror(errno));
    if (acceptor == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        for (;;)
            listener.accept_one();
    }
    for (std::size_t held = 0; held < wanted; held++)
        connect_from(source, listener.address());
    std::printf("holding %zu of %zu\n", wanted, range);
    std::fflush(stdout);
    while (std::getchar() != EOF)
        ;
}

void print(const char *name, std::vector<std::uint64_t> *times)
{
    std::sort(times->begin(), times->end());
    const std::uint64_t sum = std::accumulate(times->begin(), times->end(), std::uint64_t{0});
    std::printf("\"%s\":{\"mean\":%.0f,\"p50\":%llu,\"p99\":%llu}", name,
                static_cast<double>(sum) / static_cast<double>(times->size()),
                static_cast<unsigned long long>((*times)[times->size() / 2]),
                static_cast<unsigned long long>((*times)[times->size() * 99 / 100]));
}

void measure(std::size_t count, const sockaddr_in &source)
{
    const Listener listener;
    std::vector<std::uint64_t> binds, connects;
    const linger abort{1, 0}; // no TIME_WAIT: the share of ports in use must not grow
    for (std::size_t i = 0; i < count; i++) {
        const Cost cost = connect_from(source, listener.address());
        const int peer = listener.accept_one();
        binds.push_back(cost.bind_ns);
        connects.push_back(cost.connect_ns);
        setsockopt(cost.fd, SOL_SOCKET, SO_LINGER, &abort, sizeof abort);
        close(cost.fd);
        close(peer);
    }
    std::printf("{");
    print("bind_ns", &binds);
    std::printf(",");
    print("connect_ns", &connects);
    std::puts("}");
}

} // namespace

int main(int argc, char *argv[])
{
    const std::string_view what = argc == 4 ? argv[1] : "";
    const double number = argc == 4 ? std::strtod(argv[2], nullptr) : 0;
    if ((what != "--hold" && what != "--measure") || !(number > 0) ||
        (what == "--hold" ? number > 1 : number > 1e7)) {
        std::fputs("usage: bind-cost --hold SHARE SOURCE | bind-cost --measure N SOURCE\n", stderr);
        return 64;
    }
    const sockaddr_in source = parse_socket_address(std::string(argv[3]) + ":0");
    allow_many_files();
    if (what == "--hold")
        hold(number, source);
    else
        measure(static_cast<std::size_t>(number), source);
}
