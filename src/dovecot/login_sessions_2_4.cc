// Sessions of Dovecot 2.4: its anvil process lists those that are through (doveadm-who.c,
// anvil-connection.c); each login process ends those of a user, also on their way, when asked by
// its admin socket (master-admin-client.c). Not by anvil, as `doveadm kick` does it: anvil asks
// only login processes where the user is through, keeps their errors to itself, and ends sessions
// that are not proxied as well.
//
// MUST: an answer that is not understood is an error, never "no session". Nobody is passed over
// but a process that has ended.
#include "login_sessions.h"

#include "../core/clock.h"
#include "../doveadm-proxymap/doveadm_client.h"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <filesystem>
#include <optional>
#include <set>
#include <string_view>
#include <system_error>
#include <unistd.h>
#include <utility>

extern "C" {
#include <lib.h>

#include <doveadm-settings.h>
}

namespace proxymap {

namespace {

constexpr std::uint64_t timeout_msecs = 10'000;
constexpr useconds_t pause_usecs = 10'000;
// A login process of one client waits in a loop of its own, for 100 ms, for what it is asked by
// signal (master_admin_client_initial_read()); one that ends its client in there panics.
constexpr useconds_t first_read_usecs = 200'000;
constexpr std::size_t max_at_once = 400; // sockets
constexpr std::size_t max_line = 65536;
constexpr std::string_view login_suffix = "-login"; // of the names of login services

// What is left of the time for all, in milliseconds; 0: nothing.
std::uint32_t time_left(std::uint64_t deadline)
{
    const std::uint64_t now = monotonic_ms();
    return now < deadline ? static_cast<std::uint32_t>(deadline - now) : 0;
}

// To a server that says `VERSION <server> <major> <minor>` first, and wants to hear the same.
Result<Line_socket> connect(const std::string &path, std::string_view server,
                            const std::string &greeting, std::uint64_t deadline)
{
    Result<Line_socket> socket =
        Line_socket::connect({{}, 0, path}, std::max(time_left(deadline), 1U));
    if (!socket)
        return socket;
    if (const auto sent = socket->send(greeting); !sent)
        return sent.error();
    const Result<std::string_view> version = socket->read_line(max_line);
    if (!version)
        return version.error();
    if (!version->starts_with("VERSION\t" + std::string(server) + '\t'))
        return Error{"it speaks another protocol"};
    return socket;
}

// A line of anvil's list.
struct Listed {
    std::string id; // of the session, never used again
    Login_session session;
};

// words: pid, user, process, client's IP, id, backend's IP; then other names of the user. Nothing:
// no login process's.
std::optional<Listed> listed_of(std::vector<std::string> &words)
{
    std::string &service = words[2];
    if (!service.ends_with(login_suffix))
        return std::nullopt;
    service.resize(service.size() - login_suffix.size());
    if (service == "managesieve")
        service = "sieve"; // as the protocol is called
    return Listed{
        std::move(words[4]),
        {std::move(words[1]), std::move(service), std::move(words[3]), std::move(words[5]), ""}};
}

Result<std::vector<Listed>> ask_anvil(std::uint64_t deadline)
{
    const std::string path = std::string(doveadm_settings->base_dir) + "/anvil";
    const auto fail = [](const Error &error) {
        return Error{"anvil cannot be asked for sessions: " + error.message};
    };
    // The empty line: who asks serves nobody's commands itself.
    Result<Line_socket> anvil =
        connect(path, "anvil-server", "VERSION\tanvil-client\t2\t0\n\nCONNECT-DUMP\n", deadline);
    if (!anvil)
        return fail(anvil.error());
    if (const auto head = anvil->read_line(max_line); !head) // names of passdb fields
        return fail(head.error());
    std::vector<Listed> all;
    for (;;) {
        const Result<std::string_view> line = anvil->read_line(max_line);
        if (!line)
            return fail(line.error());
        if (line->empty())
            return all;
        std::vector<std::string> words = split_tabbed(*line);
        if (words.size() < 6)
            return Error{"anvil's list of sessions is not understood"};
        if (auto one = listed_of(words))
            all.push_back(std::move(*one));
        if (time_left(deadline) == 0)
            return Error{"anvil takes too long to list sessions"};
    }
}

struct Login_process {
    std::string path; // of its admin socket
    pid_t pid;
};

// Dovecot's master makes `srv.<service>/<pid>` for a process, and removes it when that has ended.
Result<std::vector<Login_process>> login_processes()
{
    namespace fs = std::filesystem;
    std::vector<Login_process> processes;
    std::error_code error;
    for (fs::directory_iterator service(doveadm_settings->base_dir, error), end;
         !error && service != end; service.increment(error)) {
        const std::string name = service->path().filename();
        if (!name.starts_with("srv.") || !name.ends_with(login_suffix))
            continue;
        for (fs::directory_iterator process(service->path(), error); !error && process != end;
             process.increment(error)) {
            const std::string number = process->path().filename();
            pid_t pid = 0;
            const char *const last = number.data() + number.size();
            const auto [rest, bad] = std::from_chars(number.data(), last, pid);
            if (bad == std::errc() && rest == last && pid > 0)
                processes.push_back({process->path(), pid});
        }
    }
    if (error)
        return Error{"the login processes cannot be found in " +
                     std::string(doveadm_settings->base_dir) + ": " + error.message()};
    return processes;
}

bool has_ended(const Login_process &process)
{
    return ::kill(process.pid, 0) < 0 && errno == ESRCH;
}

Result<Done> kick(Line_socket &socket, const std::vector<std::string> &users)
{
    for (const std::string &user : users) {
        if (const auto sent = socket.send(join_tabbed({"KICK-USER", user}) + '\n'); !sent)
            return sent.error();
        const Result<std::string_view> answer = socket.read_line(max_line);
        if (!answer)
            return answer.error();
        if (!answer->starts_with('+')) // and their number
            return Error{"it says " + std::string(*answer)};
    }
    return Done{};
}

// Some of those that are left; who has done it, or has ended, is left no more. Why one is.
std::optional<Error> kick_some(std::vector<Login_process> &left,
                               const std::vector<std::string> &users, std::uint64_t deadline)
{
    std::vector<std::pair<Login_process, Line_socket>> connected;
    std::vector<Login_process> failed;
    std::optional<Error> why;
    const auto fail = [&](Login_process &process, const Error &error) {
        if (has_ended(process))
            return;
        if (!why) // what others lack is the time that the first one took
            why = Error{"the login process " + std::to_string(process.pid) +
                        " cannot be asked: " + error.message};
        failed.push_back(std::move(process));
    };
    while (!left.empty() && connected.size() < max_at_once) {
        Login_process process = std::move(left.back());
        left.pop_back();
        Result<Line_socket> socket = connect(process.path, "master-admin-server",
                                             "VERSION\tmaster-admin-client\t1\t0\n", deadline);
        if (socket)
            connected.emplace_back(std::move(process), std::move(*socket));
        else
            fail(process, socket.error());
    }
    usleep(first_read_usecs);
    for (auto &[process, socket] : connected) {
        if (const Result<Done> done = kick(socket, users); !done)
            fail(process, done.error());
    }
    left.insert(left.begin(), failed.begin(), failed.end()); // the others first
    return why;
}

Result<Done> kick_all(std::vector<Login_process> left, const std::vector<std::string> &users,
                      std::uint64_t deadline)
{
    while (!left.empty()) {
        const std::optional<Error> why = kick_some(left, users, deadline);
        if (!left.empty() &&
            time_left(deadline) <= first_read_usecs / 1000) // too little for another
            return why ? *why : Error{"the login processes take too long to answer"};
    }
    return Done{};
}

} // namespace

Result<std::vector<Login_session>> list_login_sessions()
{
    Result<std::vector<Listed>> all = ask_anvil(monotonic_ms() + timeout_msecs);
    if (!all)
        return all.error();
    std::vector<Login_session> sessions;
    sessions.reserve(all->size());
    for (Listed &one : *all)
        sessions.push_back(std::move(one.session));
    return sessions;
}

Result<Done> end_login_sessions(const std::vector<std::string> &users)
{
    const std::uint64_t deadline = monotonic_ms() + timeout_msecs;
    const Result<std::vector<Listed>> before = ask_anvil(deadline);
    if (!before)
        return before.error();
    const std::set<std::string_view> names(users.begin(), users.end());
    std::set<std::string_view> ids;
    for (const Listed &one : *before) {
        if (names.contains(one.session.user))
            ids.insert(one.id);
    }
    Result<std::vector<Login_process>> processes = login_processes();
    if (!processes)
        return processes.error();
    if (Result<Done> done = kick_all(std::move(*processes), users, deadline); !done)
        return done;
    // Login processes tell anvil on their own; whoever lists next must not see what has ended. And
    // a session that is still there was in a process without an admin socket.
    for (;;) {
        const Result<std::vector<Listed>> after = ask_anvil(deadline);
        if (!after)
            return after.error();
        const auto left = std::count_if(after->begin(), after->end(),
                                        [&](const Listed &one) { return ids.contains(one.id); });
        if (left == 0)
            return Done{};
        if (time_left(deadline) == 0)
            return Error{std::to_string(left) + " of their sessions did not end"};
        usleep(pause_usecs);
    }
}

} // namespace proxymap
