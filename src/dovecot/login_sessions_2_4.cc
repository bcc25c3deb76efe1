// Sessions of Dovecot 2.4: its anvil process lists those that are through (doveadm-who.c,
// anvil-connection.c); each login process ends those of a user, also on their way, when asked by
// its admin socket (master-admin-client.c). Not by anvil, as `doveadm kick` does it: anvil asks
// only login processes where the user is through, keeps their errors to itself, and ends sessions
// that are not proxied as well.
//
// MUST: an answer that is not understood is an error, never "no session". Nobody is passed over
// but a process that has ended. An anvil that does not know all of a process' sessions is not
// believed.
#include "login_sessions.h"

#include "../core/clock.h"
#include "../doveadm-proxymap/doveadm_client.h"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>
#include <set>
#include <sstream>
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

template <typename Number> std::optional<Number> number_of(std::string_view text)
{
    Number number = 0;
    const char *const last = text.data() + text.size();
    const auto [rest, bad] = std::from_chars(text.data(), last, number);
    return bad == std::errc() && rest == last ? std::optional(number) : std::nullopt;
}

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
            if (const auto pid = number_of<pid_t>(number); pid && *pid > 0)
                processes.push_back({process->path(), *pid});
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

// When it began, in clock ticks since the host did: starttime of proc(5), the 20th word behind the
// command's name, which is in brackets and may hold any character.
std::optional<std::uint64_t> began_at(pid_t pid)
{
    std::ifstream file("/proc/" + std::to_string(pid) + "/stat"); // has no size
    const std::string text{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
    const std::size_t bracket = text.rfind(')');
    if (bracket == std::string::npos)
        return std::nullopt;
    std::istringstream words(text.substr(bracket + 1));
    std::string word;
    for (int i = 0; i < 20; ++i)
        words >> word;
    return words ? number_of<std::uint64_t>(word) : std::nullopt;
}

// Dovecot's master has one, which stays when everything else is reloaded.
Result<pid_t> anvil_process(std::uint64_t deadline)
{
    const std::string path = std::string(doveadm_settings->base_dir) + "/master";
    Result<Line_socket> master = connect(
        path, "master-server", "VERSION\tmaster-client\t1\t0\nPROCESS-STATUS\tanvil\n", deadline);
    if (!master)
        return master.error();
    std::optional<pid_t> anvil;
    for (;;) {
        const Result<std::string_view> line = master->read_line(max_line);
        if (!line)
            return line.error();
        if (line->empty())
            return anvil ? Result<pid_t>(*anvil) : Error{"it has none"};
        const std::vector<std::string> words = split_tabbed(*line);
        if (words.size() < 2 || words[0] != "anvil")
            return Error{"its answer is not understood"};
        anvil = number_of<pid_t>(words[1]);
    }
}

// A login process tells anvil of a session once. One that has taken the place of an anvil that died
// knows none from before; its master started the first one ahead of all login processes
// (services_monitor_start()).
//
// To be called after anvil was asked: whichever has answered, it was not a later one.
Result<Done> check_anvil_knows_all(std::uint64_t deadline)
{
    const Result<pid_t> anvil = anvil_process(deadline);
    if (!anvil)
        return Error{"Dovecot's master cannot be asked for its anvil: " + anvil.error().message};
    const std::optional<std::uint64_t> anvil_began = began_at(*anvil);
    const Result<std::vector<Login_process>> processes = login_processes();
    if (!processes)
        return processes.error();
    for (const Login_process &process : *processes) {
        const std::optional<std::uint64_t> began = began_at(process.pid);
        if (has_ended(process))
            continue;
        const std::string pid = std::to_string(process.pid);
        if (!anvil_began || !began)
            return Error{"it cannot be seen in /proc whether anvil (process " +
                         std::to_string(*anvil) + ") is older than the login process " + pid};
        if (*began < *anvil_began)
            return Error{"the login process " + pid +
                         " is older than anvil, which has died and come back, and does not know "
                         "all of its sessions: `kill " +
                         pid + "` ends them, or `doveadm reload`, and wait until it has ended"};
    }
    return Done{};
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
    const std::uint64_t deadline = monotonic_ms() + timeout_msecs;
    Result<std::vector<Listed>> all = ask_anvil(deadline);
    if (!all)
        return all.error();
    if (const Result<Done> known = check_anvil_knows_all(deadline); !known)
        return known.error();
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
