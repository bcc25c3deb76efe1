// memcached's text protocol (its doc/protocol.txt). One batch of commands is under way while the
// next one is gathered; the replies of a batch are few bytes and always fit into the socket's
// buffer, so sending never waits for a server that waits for us to read.
//
// MUST never go on after a reply that is not the one expected: every later one could be another
// command's.
#include "memcached_pipe.h"

#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstring>
#include <utility>

namespace proxymap {

namespace {

constexpr std::size_t batch_bytes = 64U << 10U;
constexpr std::size_t max_line_bytes = 1024;
constexpr std::size_t max_value_bytes = 1U << 20U;
constexpr std::string_view line_end = "\r\n";

void append_number(std::string &out, std::uint64_t number)
{
    char digits[20];
    const auto end = std::to_chars(digits, digits + sizeof(digits), number).ptr;
    out.append(digits, end);
}

// "set key 0 0 5": flags 0, never expires.
void append_store(std::string &out, std::string_view command, std::string_view key,
                  std::size_t length)
{
    out += command;
    out += ' ';
    out += key;
    out += " 0 0 ";
    append_number(out, length);
}

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

// What a server says when it does not do what it was asked for; its own words, if printable.
std::string refusal(std::string_view reply)
{
    if (reply.find("out of memory") != std::string_view::npos) {
        return "it is full; give it more memory (-m)";
    }
    std::string words(reply.substr(0, 100));
    for (char &c : words) {
        if (c < ' ' || c > '~') {
            c = '?';
        }
    }
    return "it answered: " + words;
}

} // namespace

Result<std::unique_ptr<Memcached_pipe>> Memcached_pipe::open(const Memcached_endpoint &endpoint,
                                                             std::uint32_t timeout)
{
    const timeval wait{timeout / 1000, static_cast<suseconds_t>(timeout % 1000) * 1000};
    const int fd =
        endpoint.path.empty() ? connect_tcp(endpoint, wait) : connect_unix(endpoint.path, wait);
    if (fd < 0) {
        const bool late = errno == EINPROGRESS || errno == EAGAIN;
        return Error{"connecting: " + (late ? "no answer within " + std::to_string(timeout) + " ms"
                                            : std::string(std::strerror(errno)))};
    }
    auto pipe = std::make_unique<Memcached_pipe>(Private{}, fd, timeout);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait));
    // Whether it is a memcached at all; a full listen queue is found here, too.
    const auto version = pipe->ask("version");
    if (!version) {
        return Error{"connecting: " + version.error().message};
    }
    if (!version->starts_with("VERSION ")) {
        return Error{"connecting: it is no memcached"};
    }
    return pipe;
}

Memcached_pipe::~Memcached_pipe()
{
    close(fd_);
}

std::string_view Memcached_pipe::word(Verb verb)
{
    switch (verb) {
    case Verb::set:
        return "set";
    case Verb::replace:
        return "replace";
    case Verb::add:
        return "add";
    case Verb::remove:
        return "delete";
    }
    return {};
}

Result<Done> Memcached_pipe::store(Verb verb, std::string_view key, std::string_view value)
{
    next_.commands.push_back({next_.text.size(), verb});
    append_store(next_.text, word(verb), key, value.size());
    next_.text += line_end;
    next_.text += value;
    next_.text += line_end;
    return next_.text.size() < batch_bytes ? Result<Done>(Done{}) : send_batch();
}

Result<Done> Memcached_pipe::set(std::string_view key, std::string_view value)
{
    return store(Verb::set, key, value);
}

Result<Done> Memcached_pipe::overwrite(std::string_view key, std::string_view value)
{
    return store(Verb::replace, key, value);
}

Result<Done> Memcached_pipe::remove(std::string_view key)
{
    next_.commands.push_back({next_.text.size(), Verb::remove});
    next_.text += word(Verb::remove);
    next_.text += ' ';
    next_.text += key;
    next_.text += line_end;
    return next_.text.size() < batch_bytes ? Result<Done>(Done{}) : send_batch();
}

Result<Done> Memcached_pipe::flush()
{
    for (;;) {
        if (auto taken = take_replies(); !taken) {
            return taken;
        }
        if (next_.commands.empty()) {
            return Done{};
        }
        if (auto sent = send_batch(); !sent) {
            return sent;
        }
    }
}

Result<Done> Memcached_pipe::send_batch()
{
    if (auto taken = take_replies(); !taken) {
        return taken;
    }
    std::swap(next_, sent_);
    return send_all(sent_.text);
}

// Of the batch that was sent.
Result<Done> Memcached_pipe::take_replies()
{
    if (broken_) {
        return Error{"the connection was given up"};
    }
    for (std::size_t i = 0; i < sent_.commands.size(); i++) {
        const auto reply = read_line();
        if (!reply) {
            return reply.error();
        }
        const auto verb = sent_.commands[i].verb;
        if (verb == Verb::replace && *reply == "NOT_STORED") {
            add_instead(i);
            continue;
        }
        const bool good = verb == Verb::remove ? *reply == "DELETED" || *reply == "NOT_FOUND"
                                               : *reply == "STORED";
        if (!good) {
            return refused(*reply, sent_.commands[i]);
        }
    }
    sent_.commands.clear();
    sent_.text.clear();
    return Done{};
}

// There was nothing to replace.
void Memcached_pipe::add_instead(std::size_t command)
{
    const auto start = sent_.commands[command].start;
    const auto end =
        command + 1 < sent_.commands.size() ? sent_.commands[command + 1].start : sent_.text.size();
    const auto rest = start + word(Verb::replace).size();
    next_.commands.push_back({next_.text.size(), Verb::add});
    next_.text += word(Verb::add);
    next_.text.append(sent_.text, rest, end - rest);
}

Error Memcached_pipe::refused(std::string_view reply, const Batch::Command &command)
{
    const auto start = command.start + word(command.verb).size() + 1;
    const auto end = sent_.text.find_first_of(" \r", start);
    const auto key = sent_.text.substr(start, end - start);
    return fail(key + ": " +
                (reply == "NOT_STORED" ? "somebody else writes to this mirror" : refusal(reply)));
}

Result<std::optional<Memcached_item>> Memcached_pipe::get(const std::string &key)
{
    auto line = ask("gets " + key);
    if (!line) {
        return line.error();
    }
    if (*line == "END") {
        return std::optional<Memcached_item>();
    }
    const std::string start = "VALUE " + key + " 0 ";
    std::size_t length = 0;
    Memcached_item item;
    const char *end = line->data() + line->size();
    const auto number = line->starts_with(start)
                            ? std::from_chars(line->data() + start.size(), end, length)
                            : std::from_chars_result{end, std::errc::invalid_argument};
    if (number.ec != std::errc() || number.ptr == end || *number.ptr != ' ' ||
        length > max_value_bytes || std::from_chars(number.ptr + 1, end, item.cas).ptr != end) {
        return fail("its answer is not memcached's protocol");
    }
    auto value = read_bytes(length + line_end.size());
    if (!value) {
        return value.error();
    }
    const auto last = read_line();
    if (!last) {
        return last.error();
    }
    if (!value->ends_with(line_end) || *last != "END") {
        return fail("its answer is not memcached's protocol");
    }
    value->resize(length);
    item.value = std::move(*value);
    return std::optional(std::move(item));
}

Result<Done> Memcached_pipe::add(const std::string &key, const std::string &value)
{
    std::string command;
    append_store(command, "add", key, value.size());
    return ask_to_store(command.append(line_end).append(value));
}

Result<Done> Memcached_pipe::replace(const std::string &key, const std::string &value,
                                     std::uint64_t cas)
{
    std::string command;
    append_store(command, "cas", key, value.size());
    command += ' ';
    append_number(command, cas);
    return ask_to_store(command.append(line_end).append(value));
}

Result<Done> Memcached_pipe::ask_to_store(const std::string &command)
{
    const auto reply = ask(command);
    if (!reply) {
        return reply.error();
    }
    if (*reply == "STORED") {
        return Done{};
    }
    if (*reply == "NOT_STORED" || *reply == "EXISTS") {
        return fail("somebody else writes to this mirror");
    }
    if (*reply == "NOT_FOUND") {
        return fail("it is gone: the mirror was restarted or flushed, or it evicts");
    }
    return fail(refusal(*reply));
}

Result<std::uint64_t> Memcached_pipe::item_count()
{
    constexpr std::string_view wanted = "STAT curr_items ";
    std::optional<std::uint64_t> count;
    auto line = ask("stats");
    for (; line && line->starts_with("STAT "); line = read_line()) {
        if (line->starts_with(wanted)) {
            std::uint64_t number = 0;
            std::from_chars(line->data() + wanted.size(), line->data() + line->size(), number);
            count = number;
        }
    }
    if (!line) {
        return line.error();
    }
    if (*line != "END" || !count) {
        return fail("its answer to `stats` is not memcached's");
    }
    return *count;
}

// With a delay: by the plain command, some versions keep what was written in this very second.
Result<Done> Memcached_pipe::flush_all()
{
    const auto reply = ask("flush_all 1");
    if (!reply) {
        return reply.error();
    }
    return *reply == "OK" ? Result<Done>(Done{}) : fail("flush_all: " + refusal(*reply));
}

// The first line of the reply.
Result<std::string> Memcached_pipe::ask(const std::string &command)
{
    if (auto flushed = flush(); !flushed) {
        return flushed.error();
    }
    if (auto sent = send_all(command + "\r\n"); !sent) {
        return sent.error();
    }
    return read_line();
}

Result<Done> Memcached_pipe::send_all(std::string_view bytes)
{
    while (!bytes.empty()) {
        const auto sent = send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR) {
            continue;
        }
        if (sent < 0) {
            return fail(errno == EAGAIN
                            ? "it took nothing within " + std::to_string(timeout_) + " ms"
                            : "writing: " + std::string(std::strerror(errno)));
        }
        bytes.remove_prefix(static_cast<std::size_t>(sent));
    }
    return Done{};
}

Result<std::string> Memcached_pipe::read_line()
{
    for (;;) {
        const auto end = input_.find(line_end, read_);
        if (end != std::string::npos) {
            std::string line = input_.substr(read_, end - read_);
            read_ = end + line_end.size();
            return line;
        }
        if (input_.size() - read_ > max_line_bytes) {
            return fail("its answer is not memcached's protocol");
        }
        if (auto received = receive(); !received) {
            return received.error();
        }
    }
}

Result<std::string> Memcached_pipe::read_bytes(std::size_t count)
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

Result<Done> Memcached_pipe::receive()
{
    input_.erase(0, std::exchange(read_, 0));
    char buffer[16384];
    ssize_t length = 0;
    do {
        length = recv(fd_, buffer, sizeof(buffer), 0);
    } while (length < 0 && errno == EINTR);
    if (length < 0) {
        return fail(errno == EAGAIN ? "no answer within " + std::to_string(timeout_) + " ms"
                                    : "reading: " + std::string(std::strerror(errno)));
    }
    if (length == 0) {
        return fail("it closed the connection");
    }
    input_.append(buffer, static_cast<std::size_t>(length));
    return Done{};
}

Error Memcached_pipe::fail(const std::string &why)
{
    broken_ = true;
    return Error{why};
}

} // namespace proxymap
