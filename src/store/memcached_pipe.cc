// memcached's text protocol (its doc/protocol.txt). One batch of commands is under way while the
// next one is gathered; the replies of a batch are few bytes and always fit into the socket's
// buffer, so sending never waits for a server that waits for us to read.
//
// MUST never go on after a reply that is not the one expected: every later one could be another
// command's.
#include "memcached_pipe.h"

#include <charconv>
#include <utility>

namespace proxymap {

namespace {

constexpr std::size_t batch_bytes = 64U << 10U;
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
    auto socket = Memcached_socket::open(endpoint, timeout);
    if (!socket) {
        return Error{"connecting: " + socket.error().message};
    }
    auto pipe = std::make_unique<Memcached_pipe>(Private{}, std::move(*socket));
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
    return socket_->send_all(sent_.text);
}

// Of the batch that was sent.
Result<Done> Memcached_pipe::take_replies()
{
    if (socket_->given_up()) {
        return Error{"the connection was given up"};
    }
    for (std::size_t i = 0; i < sent_.commands.size(); i++) {
        const auto reply = socket_->read_line();
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
    return socket_->give_up(
        key + ": " +
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
        return socket_->give_up("its answer is not memcached's protocol");
    }
    auto value = socket_->read_bytes(length + line_end.size());
    if (!value) {
        return value.error();
    }
    const auto last = socket_->read_line();
    if (!last) {
        return last.error();
    }
    if (!value->ends_with(line_end) || *last != "END") {
        return socket_->give_up("its answer is not memcached's protocol");
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
        return socket_->give_up("somebody else writes to this mirror");
    }
    if (*reply == "NOT_FOUND") {
        return socket_->give_up("it is gone: the mirror was restarted or flushed, or it evicts");
    }
    return socket_->give_up(refusal(*reply));
}

Result<std::uint64_t> Memcached_pipe::item_count()
{
    constexpr std::string_view wanted = "STAT curr_items ";
    std::optional<std::uint64_t> count;
    auto line = ask("stats");
    for (; line && line->starts_with("STAT "); line = socket_->read_line()) {
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
        return socket_->give_up("its answer to `stats` is not memcached's");
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
    return *reply == "OK" ? Result<Done>(Done{})
                          : socket_->give_up("flush_all: " + refusal(*reply));
}

// The first line of the reply.
Result<std::string> Memcached_pipe::ask(const std::string &command)
{
    if (auto flushed = flush(); !flushed) {
        return flushed.error();
    }
    if (auto sent = socket_->send_all(command + "\r\n"); !sent) {
        return sent.error();
    }
    return socket_->read_line();
}

} // namespace proxymap
