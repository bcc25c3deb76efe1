// imap-backend: an IMAP server that costs next to nothing and lets everybody in, so that a proxy in
// front of it is what a benchmark measures. With TLS from the start when it has a certificate.
// On SIGUSR1 it prints one line of JSON: who came, by which source address, with which TLS.
//
// It must never be reachable from elsewhere: it checks no password.
#include "program.h"
#include "socket_address.h"

#include <csignal>
#include <cstdio>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>

#include <getopt.h>
#include <netinet/tcp.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/ssl.h>

using namespace proxymap::bench;

namespace {

struct Free_ssl {
    void operator()(SSL *ssl) const { SSL_free(ssl); }
    void operator()(SSL_CTX *context) const { SSL_CTX_free(context); }
};

struct Options {
    std::string listen, marker, certificate, key;
};

Options parse_options(int argc, char *argv[])
{
    static const option longopts[] = {{"listen", 1, nullptr, 'l'},
                                      {"marker", 1, nullptr, 'm'},
                                      {"certificate", 1, nullptr, 'c'},
                                      {"key", 1, nullptr, 'k'},
                                      {nullptr, 0, nullptr, 0}};
    Options options;
    for (int c; (c = getopt_long(argc, argv, "", longopts, nullptr)) != -1;) {
        switch (c) {
        case 'l':
            options.listen = optarg;
            break;
        case 'm':
            options.marker = optarg;
            break;
        case 'c':
            options.certificate = optarg;
            break;
        case 'k':
            options.key = optarg;
            break;
        default:
            std::exit(64);
        }
    }
    if (optind != argc || options.listen.empty() || options.marker.empty() ||
        options.certificate.empty() != options.key.empty()) {
        std::fputs("usage: imap-backend --listen IP:PORT --marker TEXT "
                   "[--certificate FILE --key FILE]\n",
                   stderr);
        std::exit(64);
    }
    return options;
}

struct Connection {
    int fd = -1;
    std::string source;
    std::unique_ptr<SSL, Free_ssl> ssl; // null: no TLS
    bool greeted = false;
    std::string in; // an incomplete line
};

class Backend {
  public:
    explicit Backend(const Options &options)
        : options_(options), epoll_(epoll_create1(EPOLL_CLOEXEC)),
          listener_(listen_on(parse_socket_address(options.listen)))
    {
        sigset_t wanted;
        sigemptyset(&wanted);
        sigaddset(&wanted, SIGUSR1);
        sigprocmask(SIG_BLOCK, &wanted, nullptr);
        signals_ = signalfd(-1, &wanted, SFD_CLOEXEC | SFD_NONBLOCK);
        watch(listener_);
        watch(signals_);
        if (options.certificate.empty())
            return;
        context_.reset(SSL_CTX_new(TLS_server_method()));
        if (SSL_CTX_use_certificate_chain_file(context_.get(), options.certificate.c_str()) != 1 ||
            SSL_CTX_use_PrivateKey_file(context_.get(), options.key.c_str(), SSL_FILETYPE_PEM) != 1)
            die("cannot use " + options.certificate + " and " + options.key);
    }

    [[noreturn]] void run()
    {
        for (;;) {
            epoll_event events[64];
            const int n = epoll_wait(epoll_, events, 64, -1);
            if (n < 0 && errno != EINTR)
                die(std::string("cannot wait: ") + std::strerror(errno));
            for (int i = 0; i < n; i++) {
                const int fd = events[i].data.fd;
                if (fd == listener_)
                    accept_all();
                else if (fd == signals_)
                    report();
                else
                    go_on(fd);
            }
        }
    }

  private:
    void watch(int fd)
    {
        epoll_event event{};
        event.events = EPOLLIN;
        event.data.fd = fd;
        epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &event);
    }

    void accept_all()
    {
        sockaddr_in peer{};
        socklen_t length = sizeof peer;
        int fd;
        while ((fd = accept4(listener_, reinterpret_cast<sockaddr *>(&peer), &length,
                             SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
            const int yes = 1;
            setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
            Connection &connection = connections_[fd];
            connection = Connection();
            connection.fd = fd;
            char text[INET_ADDRSTRLEN];
            connection.source = inet_ntop(AF_INET, &peer.sin_addr, text, sizeof text);
            watch(fd);
            if (context_ == nullptr) {
                greet(&connection);
                continue;
            }
            connection.ssl.reset(SSL_new(context_.get()));
            SSL_set_fd(connection.ssl.get(), fd);
            SSL_set_accept_state(connection.ssl.get());
        }
    }

    void greet(Connection *connection)
    {
        connection->greeted = true;
        say(connection, "* OK [CAPABILITY IMAP4rev1 SASL-IR LITERAL+ ID AUTH=PLAIN] ready\r\n");
    }

    // Short answers, which fit into the socket's buffer.
    void say(Connection *connection, const std::string &text)
    {
        const int size = static_cast<int>(text.size());
        if (connection->ssl != nullptr)
            SSL_write(connection->ssl.get(), text.data(), size);
        else
            send(connection->fd, text.data(), text.size(), MSG_NOSIGNAL);
    }

    void end(Connection *connection)
    {
        const int fd = connection->fd;
        connections_.erase(fd);
        close(fd);
    }

    // False: the connection is over.
    bool receive(Connection *connection)
    {
        char buffer[4096];
        ssize_t n = 0;
        SSL *ssl = connection->ssl.get();
        if (ssl == nullptr) {
            n = recv(connection->fd, buffer, sizeof buffer, 0);
            if (n < 0 && (errno == EAGAIN || errno == EINTR))
                return true;
        } else {
            ERR_clear_error();
            if (!connection->greeted) {
                const int done = SSL_do_handshake(ssl);
                if (done != 1)
                    return SSL_get_error(ssl, done) == SSL_ERROR_WANT_READ;
                handshakes_++;
                resumed_ += SSL_session_reused(ssl) == 1;
                greet(connection);
            }
            n = SSL_read(ssl, buffer, sizeof buffer);
            if (n <= 0 && SSL_get_error(ssl, static_cast<int>(n)) == SSL_ERROR_WANT_READ)
                return true;
        }
        if (n <= 0)
            return false;
        connection->in.append(buffer, static_cast<std::size_t>(n));
        return true;
    }

    void go_on(int fd)
    {
        auto found = connections_.find(fd);
        if (found == connections_.end())
            return;
        Connection &connection = found->second;
        bool open = receive(&connection);
        std::size_t begin = 0;
        for (std::size_t at; open && (at = connection.in.find("\r\n", begin)) != std::string::npos;
             begin = at + 2)
            open = handle(&connection, std::string_view(connection.in).substr(begin, at - begin));
        if (!open)
            return end(&connection);
        connection.in.erase(0, begin);
    }

    // False: the client has said good-bye.
    bool handle(Connection *connection, std::string_view line)
    {
        const std::size_t blank = line.find(' ');
        const std::string tag(line.substr(0, blank));
        std::string verb(blank == std::string_view::npos ? "" : line.substr(blank + 1));
        verb.erase(std::min(verb.find(' '), verb.size()));
        const auto is = [&](const char *name) { return strcasecmp(verb.c_str(), name) == 0; };
        if (is("LOGIN") || is("AUTHENTICATE")) {
            logins_++;
            sources_[connection->source]++;
            say(connection, tag + " OK [CAPABILITY IMAP4rev1 IDLE] " + options_.marker + "\r\n");
        } else if (is("LOGOUT")) {
            say(connection, "* BYE\r\n" + tag + " OK\r\n");
            return false;
        } else if (is("ID")) {
            say(connection, "* ID NIL\r\n" + tag + " OK\r\n");
        } else {
            say(connection, tag + " OK\r\n");
        }
        return true;
    }

    void report()
    {
        signalfd_siginfo ignored;
        while (read(signals_, &ignored, sizeof ignored) > 0)
            ;
        std::printf("{\"logins\":%llu,\"handshakes\":%llu,\"resumed\":%llu,\"sources\":{", logins_,
                    handshakes_, resumed_);
        const char *comma = "";
        for (const auto &[source, count] : sources_) {
            std::printf("%s\"%s\":%llu", comma, source.c_str(), count);
            comma = ",";
        }
        std::puts("}}");
        std::fflush(stdout);
    }

    const Options &options_;
    const int epoll_;
    const int listener_;
    int signals_ = -1;
    std::unique_ptr<SSL_CTX, Free_ssl> context_; // null: no TLS
    std::unordered_map<int, Connection> connections_;
    unsigned long long logins_ = 0, handshakes_ = 0, resumed_ = 0;
    std::map<std::string, unsigned long long> sources_;
};

} // namespace

int main(int argc, char *argv[])
{
    const Options options = parse_options(argc, argv);
    allow_many_files();
    std::signal(SIGPIPE, SIG_IGN);
    Backend(options).run();
}
