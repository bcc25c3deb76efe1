// One thread, one poll(2), everything else under one mutex.
#include "fake_memcached.h"

#include <algorithm>
#include <arpa/inet.h>
#include <condition_variable>
#include <map>
#include <mutex>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sstream>
#include <stdexcept>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <thread>
#include <unistd.h>
#include <utility>

namespace {

struct Item {
    std::string value;
    unsigned long long cas;
};

struct Client {
    int fd;
    std::string input;
    std::string held;
    std::string set_line; // a set waits for its data
    bool closing = false;
};

std::vector<std::string> split(const std::string &line)
{
    std::istringstream words(line);
    std::vector<std::string> parts;
    for (std::string word; words >> word;) {
        parts.push_back(word);
    }
    return parts;
}

} // namespace

struct Fake_memcached::State {
    std::mutex mutex;
    int wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    int listener = -1;
    std::uint16_t port = 0;
    bool listening = false;
    bool stop = false;
    bool stop_listening = false;
    bool drop = false;
    std::condition_variable obeyed;
    std::vector<Client> clients;

    std::map<std::string, Item> items;
    unsigned long long last_cas = 0;
    bool evictions = false;
    bool full = false;
    Manner manner = Manner::honest;
    Door door = Door::open;
    std::string second_marker;

    unsigned connections = 0;
    unsigned gets = 0;
    std::vector<std::string> commands;
    std::thread thread;

    void bind_to_port();
    void listen_on_port();
    void obey();
    void run();
    void round(const std::vector<pollfd> &fds);
    void read_from(Client &client);
    void handle_lines(Client &client);
    void handle_line(Client &client, const std::string &line);
    void handle_set(Client &client, const std::string &data);
    void handle_get(Client &client, const std::vector<std::string> &keys, bool with_cas);
    std::string honest_reply(const std::vector<std::string> &keys, bool with_cas,
                             bool first_twice = true, bool second_twice = true) const;
    static void send_to(Client &client, const std::string &bytes);
    void notify() const { (void)!eventfd_write(wake, 1); }
};

static void reset(int fd);

// A port that is bound but not listened on refuses connections, and nobody else gets it: not with
// SO_REUSEADDR, by which the kernel gives such a port to others too, and listen() fails later.
void Fake_memcached::State::bind_to_port()
{
    listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(port);
    socklen_t length = sizeof(address);
    if (bind(listener, reinterpret_cast<sockaddr *>(&address), sizeof(address)) != 0 ||
        getsockname(listener, reinterpret_cast<sockaddr *>(&address), &length) != 0) {
        throw std::runtime_error("cannot bind to a port of 127.0.0.1");
    }
    port = ntohs(address.sin_port);
}

void Fake_memcached::State::listen_on_port()
{
    if (listen(listener, 16) != 0) {
        throw std::runtime_error("cannot listen on 127.0.0.1");
    }
    listening = true;
}

// Closes at once, without a TIME_WAIT that would keep the port from being bound again.
static void reset(int fd)
{
    const linger at_once = {1, 0};
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
    close(fd);
}

// What another thread has asked for. A socket is closed only here: one that this thread still
// polls would stay open for as long.
void Fake_memcached::State::obey()
{
    if (drop) {
        for (const auto &client : clients) {
            reset(client.fd);
        }
        clients.clear();
        drop = false;
    }
    if (stop_listening) {
        close(listener);
        bind_to_port();
        listening = false;
        stop_listening = false;
    }
    obeyed.notify_all();
}

void Fake_memcached::State::run()
{
    for (;;) {
        std::vector<pollfd> fds = {{wake, POLLIN, 0}};
        {
            const std::scoped_lock lock(mutex);
            if (stop) {
                return;
            }
            obey();
            fds.push_back({listening ? listener : -1, POLLIN, 0});
            for (const auto &client : clients) {
                fds.push_back({door == Door::deaf ? -1 : client.fd, POLLIN, 0});
            }
        }
        poll(fds.data(), fds.size(), -1);
        const std::scoped_lock lock(mutex);
        round(fds);
    }
}

void Fake_memcached::State::round(const std::vector<pollfd> &fds)
{
    if (fds[0].revents != 0) {
        eventfd_t count = 0;
        (void)!eventfd_read(wake, &count);
    }
    for (std::size_t i = 2; i < fds.size() && i - 2 < clients.size(); i++) {
        if (fds[i].revents != 0 && fds[i].fd == clients[i - 2].fd) {
            read_from(clients[i - 2]);
        }
    }
    std::erase_if(clients, [](const Client &client) {
        if (client.closing) {
            close(client.fd);
        }
        return client.closing;
    });
    if (fds[1].revents != 0 && fds[1].fd == listener) {
        const int fd = accept4(listener, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (fd >= 0) {
            connections++;
            if (door == Door::slammed) {
                close(fd);
            } else {
                const int yes = 1; // as memcached does
                setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes));
                clients.push_back({fd, {}, {}, {}});
            }
        }
    }
}

void Fake_memcached::State::read_from(Client &client)
{
    char buffer[65536];
    const ssize_t length = read(client.fd, buffer, sizeof(buffer));
    if (length <= 0) {
        client.closing = true;
        return;
    }
    client.input.append(buffer, static_cast<std::size_t>(length));
    handle_lines(client);
}

void Fake_memcached::State::handle_lines(Client &client)
{
    for (std::size_t end = 0;
         !client.closing && (end = client.input.find("\r\n")) != std::string::npos;) {
        const auto line = client.input.substr(0, end);
        client.input.erase(0, end + 2);
        if (!client.set_line.empty()) {
            handle_set(client, line); // values in these tests hold no line end
        } else {
            commands.push_back(line);
            handle_line(client, line);
        }
    }
}

void Fake_memcached::State::handle_line(Client &client, const std::string &line)
{
    const auto words = split(line);
    const std::string command = words.empty() ? "" : words[0];
    if (command == "version") {
        send_to(client, "VERSION 1.6.18\r\n");
    } else if (command == "stats") {
        send_to(client, std::string("STAT maxbytes 67108864\r\nSTAT evictions ") +
                            (evictions ? "on" : "off") +
                            "\r\nSTAT cas_enabled yes\r\nSTAT curr_items " +
                            std::to_string(items.size()) + "\r\nEND\r\n");
    } else if (command == "get" || command == "gets") {
        gets++;
        handle_get(client, {words.begin() + 1, words.end()}, command == "gets");
    } else if (command == "set" || command == "add" || command == "replace" || command == "cas") {
        client.set_line = line;
    } else if (command == "delete") {
        const bool deleted = items.erase(words[1]) > 0;
        if (words.back() != "noreply") {
            send_to(client, deleted ? "DELETED\r\n" : "NOT_FOUND\r\n");
        }
    } else if (command == "flush_all") {
        items.clear();
        send_to(client, "OK\r\n");
    } else if (command == "quit") {
        client.closing = true;
    } else {
        send_to(client, "ERROR\r\n");
    }
}

void Fake_memcached::State::handle_set(Client &client, const std::string &data)
{
    const auto words = split(std::exchange(client.set_line, {}));
    const auto found = items.find(words[1]);
    std::string reply = "STORED\r\n";
    if (full) {
        if (words[0] == "set") {
            items.erase(words[1]); // as memcached does
        }
        reply = "SERVER_ERROR out of memory storing object\r\n";
    } else if ((words[0] == "add" && found != items.end()) ||
               (words[0] == "replace" && found == items.end())) {
        reply = "NOT_STORED\r\n";
    } else if (words[0] == "cas" && found == items.end()) {
        reply = "NOT_FOUND\r\n";
    } else if (words[0] == "cas" && std::to_string(found->second.cas) != words[5]) {
        reply = "EXISTS\r\n";
    } else {
        items[words[1]] = {data, ++last_cas};
    }
    if (words.back() != "noreply") {
        send_to(client, reply);
    }
}

std::string Fake_memcached::State::honest_reply(const std::vector<std::string> &keys, bool with_cas,
                                                bool first_twice, bool second_twice) const
{
    std::string reply;
    std::map<std::string, unsigned> seen;
    const auto count = [&](const std::string &key) {
        return static_cast<unsigned>(std::count(keys.begin(), keys.end(), key));
    };
    for (const auto &key : keys) {
        const bool twice = count(key) > 1;
        const bool again = ++seen[key] > 1;
        const auto found = items.find(key);
        if (found == items.end() || (twice && !(again ? second_twice : first_twice))) {
            continue;
        }
        const auto &value = again && !second_marker.empty() ? second_marker : found->second.value;
        reply += "VALUE " + key + " 0 " + std::to_string(value.size());
        if (with_cas) {
            reply += " " + std::to_string(found->second.cas);
        }
        reply += "\r\n" + value + "\r\n";
    }
    return reply;
}

void Fake_memcached::State::handle_get(Client &client, const std::vector<std::string> &keys,
                                       bool with_cas)
{
    const auto honest = honest_reply(keys, with_cas);
    switch (manner) {
    case Manner::honest:
        send_to(client, honest + "END\r\n");
        break;
    case Manner::silent:
        break;
    case Manner::held:
        client.held += honest + "END\r\n";
        break;
    case Manner::garbage:
        send_to(client, "220 mail.example.org ESMTP\r\n");
        break;
    case Manner::error:
        send_to(client, "ERROR\r\n");
        break;
    case Manner::other_key:
        send_to(client, "VALUE pm:user:nobody 0 1\r\nx\r\nEND\r\n");
        break;
    case Manner::first_marker_only:
        send_to(client, honest_reply(keys, with_cas, true, false) + "END\r\n");
        break;
    case Manner::second_marker_only:
        send_to(client, honest_reply(keys, with_cas, false, true) + "END\r\n");
        break;
    case Manner::repeats:
        send_to(client, honest + honest + "END\r\n");
        break;
    case Manner::partial:
        send_to(client, honest.substr(0, honest.size() / 2));
        client.closing = true;
        break;
    case Manner::huge_length:
        send_to(client, "VALUE " + keys[0] + " 0 1073741824\r\nx\r\nEND\r\n");
        break;
    case Manner::negative_length:
        send_to(client, "VALUE " + keys[0] + " 0 18446744073709551615\r\nx\r\nEND\r\n");
        break;
    case Manner::long_key:
        send_to(client, "VALUE " + std::string(320, 'k') + " 0 1\r\nx\r\nEND\r\n");
        break;
    case Manner::version_in_between:
        send_to(client, "VERSION 1.6.18\r\n" + honest + "END\r\n");
        break;
    case Manner::closes:
        client.closing = true;
        break;
    }
}

void Fake_memcached::State::send_to(Client &client, const std::string &bytes)
{
    // A few KB always fit into the socket's buffer.
    (void)!send(client.fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
}

Fake_memcached::Fake_memcached() : state_(std::make_unique<State>())
{
    state_->bind_to_port();
    state_->listen_on_port();
    state_->thread = std::thread([state = state_.get()] { state->run(); });
}

Fake_memcached::~Fake_memcached()
{
    {
        const std::scoped_lock lock(state_->mutex);
        state_->stop = true;
        state_->notify();
    }
    state_->thread.join();
    for (const auto &client : state_->clients) {
        close(client.fd);
    }
    close(state_->listener);
    close(state_->wake);
}

std::uint16_t Fake_memcached::port() const
{
    const std::scoped_lock lock(state_->mutex);
    return state_->port;
}

void Fake_memcached::set_item(const std::string &key, const std::string &value)
{
    const std::scoped_lock lock(state_->mutex);
    state_->items[key] = {value, ++state_->last_cas};
}

void Fake_memcached::remove_item(const std::string &key)
{
    const std::scoped_lock lock(state_->mutex);
    state_->items.erase(key);
}

void Fake_memcached::clear()
{
    const std::scoped_lock lock(state_->mutex);
    state_->items.clear();
}

void Fake_memcached::set_evictions(bool on)
{
    const std::scoped_lock lock(state_->mutex);
    state_->evictions = on;
}

void Fake_memcached::set_full(bool on)
{
    const std::scoped_lock lock(state_->mutex);
    state_->full = on;
}

void Fake_memcached::behave(Manner manner)
{
    const std::scoped_lock lock(state_->mutex);
    state_->manner = manner;
}

void Fake_memcached::set_door(Door door)
{
    const std::scoped_lock lock(state_->mutex);
    state_->door = door;
    state_->notify();
}

void Fake_memcached::set_second_marker(const std::string &value)
{
    const std::scoped_lock lock(state_->mutex);
    state_->second_marker = value;
}

void Fake_memcached::release()
{
    const std::scoped_lock lock(state_->mutex);
    for (auto &client : state_->clients) {
        State::send_to(client, std::exchange(client.held, {}));
    }
}

void Fake_memcached::stop()
{
    std::unique_lock lock(state_->mutex);
    state_->stop_listening = true;
    state_->drop = true;
    state_->notify();
    state_->obeyed.wait(lock, [this] { return !state_->stop_listening && !state_->drop; });
}

void Fake_memcached::start()
{
    const std::scoped_lock lock(state_->mutex);
    state_->listen_on_port();
    state_->notify();
}

void Fake_memcached::drop_connections()
{
    std::unique_lock lock(state_->mutex);
    state_->drop = true;
    state_->notify();
    state_->obeyed.wait(lock, [this] { return !state_->drop; });
}

std::string Fake_memcached::item(const std::string &key) const
{
    const std::scoped_lock lock(state_->mutex);
    const auto found = state_->items.find(key);
    return found == state_->items.end() ? std::string() : found->second.value;
}

unsigned Fake_memcached::connections() const
{
    const std::scoped_lock lock(state_->mutex);
    return state_->connections;
}

std::vector<std::string> Fake_memcached::commands() const
{
    const std::scoped_lock lock(state_->mutex);
    return state_->commands;
}

unsigned Fake_memcached::gets() const
{
    const std::scoped_lock lock(state_->mutex);
    return state_->gets;
}
