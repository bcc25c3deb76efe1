// Login processes of Dovecot 2.3, asked through its ipc service (login-proxy.c, ipc/client.c). Not
// by `doveadm proxy list`: it prints the head of each process's list as if it were a session, and
// run by doveadm-server it can lose the last sessions, when lists differ in width.
//
// MUST: nothing is thrown into Dovecot's C code. An answer that is not understood is an error,
// never "no session".
#include "login_sessions.h"

#include <cerrno>
#include <charconv>
#include <csignal>
#include <optional>
#include <string_view>
#include <utility>

extern "C" {
#include <lib.h>

#include <array.h>
#include <ioloop.h>
#include <str.h>
#include <strescape.h>

#include <doveadm-settings.h>
#include <ipc-client.h>
}

namespace proxymap {

namespace {

constexpr unsigned timeout_msecs = 10'000;
constexpr int tries = 5;

using Lines = std::vector<std::vector<std::string>>; // of words

struct Answer {
    struct ioloop *loop;
    Lines lines;
    std::optional<std::string> error;
    bool ended = false;

    void end(std::optional<std::string> why)
    {
        if (!ended)
            error = std::move(why);
        ended = true;
        io_loop_stop(loop);
    }
};

void on_answer(enum ipc_client_cmd_state state, const char *data, void *context) noexcept
{
    Answer &answer = *static_cast<Answer *>(context);
    if (answer.ended)
        return;
    switch (state) {
    case IPC_CLIENT_CMD_STATE_REPLY:
        T_BEGIN
        {
            std::vector<std::string> words;
            for (const char *const *word = t_strsplit_tabescaped(data); *word != nullptr; ++word)
                words.emplace_back(*word);
            answer.lines.push_back(std::move(words));
        }
        T_END;
        break;
    case IPC_CLIENT_CMD_STATE_OK:
        answer.end(std::nullopt);
        break;
    case IPC_CLIENT_CMD_STATE_ERROR:
        answer.end(data);
        break;
    }
}

void on_timeout(void *context) noexcept
{
    static_cast<Answer *>(context)->end("one has not answered within " +
                                        std::to_string(timeout_msecs / 1000) + " s");
}

// words: a command and its arguments, to every login process.
Answer ask_once(const std::vector<std::string> &words)
{
    Answer answer{io_loop_create(), {}, {}};
    T_BEGIN
    {
        string_t *command = t_str_new(256);
        str_append(command, "proxy\t*");
        for (const std::string &word : words) {
            str_append_c(command, '\t');
            str_append_tabescaped(command, word.c_str());
        }
        struct ipc_client *client =
            ipc_client_init(t_strconcat(doveadm_settings->base_dir, "/ipc", NULL));
        struct timeout *timeout =
            timeout_add_to(answer.loop, timeout_msecs, on_timeout, static_cast<void *>(&answer));
        ipc_client_cmd(client, str_c(command), on_answer, &answer);
        io_loop_run(answer.loop);
        answer.ended = true; // for what deinit may still call
        timeout_remove(&timeout);
        ipc_client_deinit(&client);
    }
    T_END;
    io_loop_destroy(&answer.loop);
    return answer;
}

// Whether the ipc service (ipc_connection_destroy()) says of a login process that it has ended
// before it answered, as each does with its last client where service_count is 1. Its sessions
// ended with it. No sign of that is a process that lives on without ipc.
bool has_ended(const std::string &error)
{
    constexpr std::string_view start = "IPC: 'proxy' PID ";
    if (!error.starts_with(start))
        return false;
    pid_t pid = 0;
    const char *const end = error.data() + error.size();
    const auto [rest, bad] = std::from_chars(error.data() + start.size(), end, pid);
    return bad == std::errc() && pid > 0 && std::string_view(rest, end).starts_with(" server") &&
           kill(pid, 0) < 0 && errno == ESRCH;
}

// Of several processes that failed, ipc names the first alone; so an answer without any is wanted,
// and only where processes end all the time, one that lacks just theirs is taken.
Result<Lines> ask(const std::vector<std::string> &words)
{
    for (int i = 1;; ++i) {
        Answer answer = ask_once(words);
        if (!answer.error || (i >= tries && has_ended(*answer.error)))
            return std::move(answer.lines);
        if (i >= tries || !answer.error->starts_with("IPC: "))
            return Error{"the login processes cannot be asked: " + *answer.error};
    }
}

// "username", names of passdb fields, "service", "src-ip", "dest-ip", "dest-port".
bool is_head(const std::vector<std::string> &line)
{
    const std::size_t words = line.size();
    return line[0] == "username" && line[words - 4] == "service" && line[words - 3] == "src-ip" &&
           line[words - 2] == "dest-ip" && line[words - 1] == "dest-port";
}

} // namespace

Result<std::vector<Login_session>> list_login_sessions()
{
    auto lines = ask({"LIST-FULL"});
    if (!lines)
        return lines.error();
    std::vector<Login_session> sessions;
    for (std::vector<std::string> &line : *lines) {
        if (line.size() < 5)
            return Error{"a login process's list of sessions is not understood"};
        if (is_head(line))
            continue;
        auto *const end = line.data() + line.size();
        sessions.push_back({std::move(line[0]), std::move(end[-4]), std::move(end[-3]),
                            std::move(end[-2]), std::move(end[-1])});
    }
    return sessions;
}

Result<Done> end_login_sessions(const std::vector<std::string> &users)
{
    std::vector<std::string> words = {"KICK"};
    words.insert(words.end(), users.begin(), users.end());
    if (const auto done = ask(words); !done)
        return done.error();
    return Done{};
}

} // namespace proxymap
