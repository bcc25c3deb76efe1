// login-load: a load generator of IMAP logins. So many at the same time in one thread, each one
// LOGIN, then LOGOUT, then the server's close; prints one line of JSON.
//
// A login counts as ok only when the words that the backend alone knows (--marker) come with its
// OK: a proxy that lets somebody in by itself does not flatter the figures.
//
// It must never judge: it counts what it is told, and `run` decides.
#include "latencies.h"
#include "program.h"
#include "socket_address.h"

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include <getopt.h>
#include <sys/epoll.h>
#include <unistd.h>

using namespace proxymap::bench;

namespace {

constexpr char usage[] =
    "usage: login-load --server IP:PORT --marker TEXT (--requests N | --seconds S) [option ...]\n"
    "  --outstanding N  logins at the same time (16)\n"
    "  --users N        how many users there are (1000); they log in one after the other\n"
    "  --domains N      of how many domains they are, d0, d1 ..., 50 neighbours of each (1)\n"
    "  --skip N         begin so many users further on (0)\n";

constexpr std::uint64_t neighbours = 50;

struct Options {
    std::string server, marker;
    std::uint64_t requests = 0;
    double seconds = 0;
    std::uint64_t outstanding = 16, users = 1000, domains = 1, skip = 0;
};

Options parse_options(int argc, char *argv[])
{
    static const option longopts[] = {
        {"server", 1, nullptr, 's'},      {"marker", 1, nullptr, 'm'},
        {"requests", 1, nullptr, 'n'},    {"seconds", 1, nullptr, 't'},
        {"outstanding", 1, nullptr, 'o'}, {"users", 1, nullptr, 'u'},
        {"domains", 1, nullptr, 'd'},     {"skip", 1, nullptr, 'j'},
        {nullptr, 0, nullptr, 0}};
    Options options;
    int index = 0;
    for (int c; (c = getopt_long(argc, argv, "", longopts, &index)) != -1;) {
        const auto number = [&] {
            char *end = nullptr;
            const double value = std::strtod(optarg, &end);
            if (end == optarg || *end != '\0' || !(value >= 0) || value > 4e9)
                die(std::string("--") + longopts[index].name + ": \"" + optarg +
                    "\" is no number from 0 to 4e9");
            return value;
        };
        const auto integer = [&] { return static_cast<std::uint64_t>(number()); };
        switch (c) {
        case 's':
            options.server = optarg;
            break;
        case 'm':
            options.marker = optarg;
            break;
        case 'n':
            options.requests = integer();
            break;
        case 't':
            options.seconds = number();
            break;
        case 'o':
            options.outstanding = integer();
            break;
        case 'u':
            options.users = integer();
            break;
        case 'd':
            options.domains = integer();
            break;
        case 'j':
            options.skip = integer();
            break;
        default:
            std::fputs(usage, stderr);
            std::exit(64);
        }
    }
    if (optind != argc || options.server.empty() || options.marker.empty() ||
        options.outstanding == 0 || options.users == 0 || options.domains == 0 ||
        (options.requests == 0 && options.seconds <= 0)) {
        std::fputs(usage, stderr);
        std::exit(64);
    }
    return options;
}

// One login at a time, again and again.
struct Client {
    enum class State : std::uint8_t { idle, greeting, login, logout };
    int fd = -1;
    State state = State::idle;
    std::uint64_t since = 0, user = 0;
    std::string in; // an incomplete line
};

class Load {
  public:
    explicit Load(const Options &options)
        : options_(options), server_(parse_socket_address(options.server)),
          clients_(options.outstanding), epoll_(epoll_create1(EPOLL_CLOEXEC))
    {
    }

    // False: the server has stopped answering.
    bool run()
    {
        start_ = progress_ = last_ = monotonic_ns();
        if (options_.seconds > 0)
            end_ = start_ + static_cast<std::uint64_t>(options_.seconds * 1e9);
        for (Client &client : clients_)
            begin(&client);
        while (active_ > 0) {
            epoll_event events[64];
            const int n = epoll_wait(epoll_, events, 64, 1000);
            if (n < 0 && errno != EINTR)
                die(std::string("cannot wait: ") + std::strerror(errno));
            for (int i = 0; i < n; i++)
                go_on(&clients_[events[i].data.u64]);
            if (monotonic_ns() > progress_ + patience_ns)
                return false;
        }
        return true;
    }

    void print()
    {
        const double seconds = static_cast<double>(last_ - start_) / 1e9;
        std::printf("{\"requests\":%llu,\"seconds\":%.3f,\"requests_per_second\":%.1f,"
                    "\"unanswered\":%zu,%s}\n",
                    static_cast<unsigned long long>(begun_), seconds,
                    seconds > 0 ? static_cast<double>(latencies_.count()) / seconds : 0, active_,
                    latencies_.json().c_str());
    }

  private:
    // Longer than any delay that Dovecot applies by default.
    static constexpr std::uint64_t patience_ns = 15'000'000'000;

    void begin(Client *client)
    {
        client->state = Client::State::idle;
        const std::uint64_t now = monotonic_ns();
        if ((options_.requests > 0 && begun_ >= options_.requests) || now >= end_)
            return;
        client->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (client->fd < 0 || (connect(client->fd, reinterpret_cast<const sockaddr *>(&server_),
                                       sizeof server_) < 0 &&
                               errno != EINPROGRESS))
            die("cannot connect to " + options_.server + ": " + std::strerror(errno));
        epoll_event event{};
        event.events = EPOLLIN;
        event.data.u64 = static_cast<std::uint64_t>(client - clients_.data());
        epoll_ctl(epoll_, EPOLL_CTL_ADD, client->fd, &event);
        client->state = Client::State::greeting;
        client->since = now;
        client->user = (options_.skip + begun_) % options_.users;
        client->in.clear();
        begun_++;
        active_++;
    }

    void go_on(Client *client)
    {
        if (client->state == Client::State::idle)
            return;
        char buffer[4096];
        const ssize_t n = recv(client->fd, buffer, sizeof buffer, 0);
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
            return;
        progress_ = monotonic_ns();
        if (n <= 0)
            return finish(client);
        client->in.append(buffer, static_cast<std::size_t>(n));
        std::size_t begin = 0;
        for (std::size_t at; (at = client->in.find("\r\n", begin)) != std::string::npos;
             begin = at + 2)
            handle(client, std::string_view(client->in).substr(begin, at - begin));
        client->in.erase(0, begin);
    }

    void handle(Client *client, std::string_view line)
    {
        if (client->state == Client::State::greeting && line.starts_with("* OK")) {
            client->state = Client::State::login;
            say(client, "1 LOGIN user" + std::to_string(client->user) + "@d" +
                            std::to_string(client->user / neighbours % options_.domains) +
                            " secret\r\n");
        } else if (client->state == Client::State::login && line.starts_with("1 ")) {
            Reply reply = Reply::fail;
            if (line.starts_with("1 OK") && line.find(options_.marker) != std::string_view::npos)
                reply = Reply::ok;
            else if (line.find("[UNAVAILABLE]") != std::string_view::npos)
                reply = Reply::tempfail;
            if (reply != Reply::ok && complaints_++ < 3)
                std::fprintf(stderr, "login-load: %.*s\n", static_cast<int>(line.size()),
                             line.data());
            last_ = monotonic_ns();
            latencies_.add(reply, last_ - client->since);
            client->state = Client::State::logout;
            say(client, "2 LOGOUT\r\n");
        }
    }

    void say(Client *client, const std::string &text)
    {
        if (send(client->fd, text.data(), text.size(), MSG_NOSIGNAL) !=
            static_cast<ssize_t>(text.size()))
            shutdown(client->fd, SHUT_RDWR); // the next read ends it
    }

    // The server has closed.
    void finish(Client *client)
    {
        if (client->state != Client::State::logout) {
            latencies_.add(Reply::fail, progress_ - client->since);
            if (complaints_++ < 3)
                std::fprintf(stderr, "login-load: the server closed the connection too early\n");
        }
        close(client->fd);
        active_--;
        begin(client);
    }

    const Options &options_;
    const sockaddr_in server_;
    std::vector<Client> clients_;
    const int epoll_;
    std::size_t active_ = 0;
    std::uint64_t begun_ = 0, complaints_ = 0;
    std::uint64_t start_ = 0, end_ = UINT64_MAX, last_ = 0, progress_ = 0;
    Latencies latencies_;
};

} // namespace

int main(int argc, char *argv[])
{
    const Options options = parse_options(argc, argv);
    Load load(options);
    const bool all_answered = load.run();
    load.print();
    return all_answered ? 0 : 1;
}
