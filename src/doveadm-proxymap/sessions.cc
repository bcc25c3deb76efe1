// `doveadm proxymap sessions`: who is proxied through this host, and to where. `move` asks the
// doveadm-server of each proxy for it.
#include "common.h"

#include "dovecot/login_sessions.h"

#include "core/proxy_report.h"
#include "core/record.h"

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace proxymap {

namespace {

// In any case: how a login's name is written is a matter of auth_username_format, not of the map.
bool is_named(const std::vector<std::string> &users, const std::string &user)
{
    return users.empty() || std::any_of(users.begin(), users.end(), [&](const std::string &name) {
               return fold_name(name, Key_case::lower) == fold_name(user, Key_case::lower);
           });
}

// What the host is called, for who asks from another one whether it is the right one, and then
// waits for its report.
int show_host()
{
    start_auth();
    Rows rows("table", {"host"});
    rows.add({own_host_name()});
    return flush_output() ? 0 : exit_output_failed;
}

int run_sessions(const Arguments &arguments)
{
    if (arguments.has("host"))
        return show_host();
    const std::vector<std::string> users = arguments.list("user");
    if (arguments.has("kick")) {
        if (users.empty())
            return fail(exit_usage, "sessions --kick needs the users whose sessions are to end");
        if (const Result<Done> done = end_login_sessions(users); !done)
            return fail(exit_try_again, done.error().message);
    }
    const Result<std::vector<Login_session>> sessions = list_login_sessions();
    if (!sessions)
        return fail(exit_try_again, sessions.error().message);
    Rows rows("table", {"user", "service", "client", "backend", "port"});
    for (const Login_session &session : *sessions) {
        if (is_named(users, session.user))
            rows.add(
                {session.user, session.service, session.client, session.backend, session.port});
    }
    if (!flush_output())
        return fail(exit_output_failed,
                    std::string("the list is not whole: writing failed: ") + strerror(errno));
    return 0;
}

} // namespace

const Command sessions_command = {
    .name = "proxymap sessions",
    .usage = "[--host] [--kick] [<user> ...]",
    .parameters = {{"host", Parameter::Type::flag},
                   {"kick", Parameter::Type::flag},
                   {"user", Parameter::Type::list}},
    .run = run_sessions,
    .remote = true,
};

} // namespace proxymap
