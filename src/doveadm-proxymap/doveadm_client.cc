// See doveadm_client.h. The protocol is that of doveadm's client-connection-tcp.c, in its first
// version, 1.0: later ones add log lines between the answer's, and this is still understood.
#include "doveadm_client.h"

#include "core/base64.h"

#include <array>

namespace proxymap {

namespace {

constexpr std::uint32_t timeout_msecs = 15'000;
constexpr std::size_t max_status_bytes = 4096;
constexpr std::size_t max_answer_bytes = 256U << 20U; // two million sessions

struct Escape {
    char byte;
    char letter;
};
// Behind a \001.
constexpr std::array escapes = {Escape{'\001', '1'}, Escape{'\t', 't'}, Escape{'\n', 'n'},
                                Escape{'\r', 'r'}};

// "+" or "-".
Result<std::string> read_verdict(Line_socket &socket)
{
    for (;;) {
        const Result<std::string_view> line = socket.read_line(max_status_bytes);
        if (!line)
            return line.error();
        if (line->starts_with("VERSION\t"))
            continue;
        if (*line != "+" && *line != "-")
            return Error{"its answer is not doveadm's protocol"};
        return std::string(*line);
    }
}

// A unix socket that only root can open lets in without a password.
Result<Done> log_in(Line_socket &socket, const Doveadm_access &access)
{
    if (const Result<Done> sent = socket.send("VERSION\tdoveadm-server\t1\t0\n"); !sent)
        return sent;
    Result<std::string> verdict = read_verdict(socket);
    if (!verdict)
        return verdict.error();
    if (*verdict == "+")
        return Done{};
    if (access.password.empty())
        return Error{"it wants a password, and doveadm_password is not set in Dovecot's "
                     "configuration here"};
    const std::string plain = '\0' + access.user + '\0' + access.password;
    if (const Result<Done> sent = socket.send("PLAIN\t" + encode_base64(plain) + "\n"); !sent)
        return sent;
    verdict = read_verdict(socket);
    if (!verdict)
        return verdict.error();
    if (*verdict != "+")
        return Error{"it refuses doveadm_password of Dovecot's configuration here"};
    return Done{};
}

} // namespace

std::string join_tabbed(const std::vector<std::string> &words)
{
    std::string line;
    for (const std::string &word : words) {
        if (&word != words.data())
            line += '\t';
        for (const char c : word) {
            char letter = '\0';
            for (const Escape &escape : escapes)
                letter = escape.byte == c ? escape.letter : letter;
            if (letter != '\0')
                line += '\001';
            line += letter != '\0' ? letter : c;
        }
    }
    return line;
}

std::vector<std::string> split_tabbed(std::string_view line)
{
    std::vector<std::string> words(1);
    for (std::size_t i = 0; i < line.size(); ++i) {
        if (line[i] == '\t') {
            words.emplace_back();
            continue;
        }
        char c = line[i];
        if (c == '\001' && i + 1 < line.size()) {
            c = line[++i];
            for (const Escape &escape : escapes)
                c = escape.letter == line[i] ? escape.byte : c;
        }
        words.back() += c;
    }
    return words;
}

Result<std::vector<std::string>> ask_doveadm(const Line_socket::Address &address,
                                             const Doveadm_access &access,
                                             const std::vector<std::string> &words)
{
    Result<Line_socket> socket = Line_socket::connect(address, timeout_msecs);
    if (!socket)
        return socket.error();
    if (const Result<Done> done = log_in(*socket, access); !done)
        return done.error();
    // No flags, no user.
    if (const Result<Done> sent = socket->send("\t\t" + join_tabbed(words) + "\n"); !sent)
        return sent.error();

    // Each value ends with a tab; then an empty line ends them all, on the same one.
    const Result<std::string_view> values = socket->read_line(max_answer_bytes);
    if (!values)
        return values.error();
    std::vector<std::string> answer = split_tabbed(*values);
    if (!answer.back().empty())
        return Error{"its answer is not doveadm's protocol"};
    answer.pop_back();
    const Result<std::string_view> status = socket->read_line(max_status_bytes);
    if (!status)
        return status.error();
    if (status->starts_with('-'))
        return Error{words.front() + " failed there" +
                     (status->size() > 1 ? " (" + std::string(status->substr(1)) + ")" : "") +
                     "; its log says why"};
    if (*status != "+")
        return Error{"its answer is not doveadm's protocol"};
    return answer;
}

} // namespace proxymap
