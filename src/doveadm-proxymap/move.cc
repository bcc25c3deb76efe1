// `doveadm proxymap move`: users to another backend.
//
// MUST: with --kick no user is ever on two backends. So it goes by these steps, and each only when
// the one before is done on every proxy: on hold (logins get a temporary failure); in force
// everywhere; no session left, and none that may still come; the new route.
#include "common.h"

#include "moving.h"
#include "proxy_reports.h"
#include "proxy_sessions.h"

#include "core/conf_value.h"

#include <algorithm>
#include <cstdio>
#include <utility>

namespace proxymap {

namespace {

// What a login may take to connect where its record says nothing: login_proxy_timeout of Dovecot.
constexpr std::uint64_t default_proxy_timeout = 30'000;
constexpr std::uint64_t default_timeout = 30'000;
constexpr std::uint32_t max_seconds = 86'400;

struct Options {
    Moving::Task task;
    bool kick = false;
    bool hold_only = false;
    std::optional<std::uint64_t> settle;                    // milliseconds
    std::optional<std::uint64_t> timeout = default_timeout; // milliseconds
};

std::string names_of(const std::vector<Proxy_address> &proxies)
{
    std::string names;
    for (const Proxy_address &proxy : proxies)
        names += " " + proxy.name;
    return names;
}

// Whether it is in force on all proxies within the time; says so, or names those where it is not.
bool tell_in_force(const Configuration &configuration, const Position &position,
                   std::uint64_t timeout)
{
    const std::vector<Proxy_address> &proxies = configuration.settings.proxies;
    if (proxies.empty())
        return true;
    const std::vector<Proxy_state> missing = wait_until_in_force(configuration, position, timeout);
    for (const Proxy_state &proxy : missing)
        report_error(proxy.name + ": not in force there" +
                     (proxy.report ? ": it has followed up to position " +
                                         format_position(proxy.report->position) + " only, " +
                                         std::to_string(report_age(*proxy.report)) + " s ago"
                                   : ": " + proxy.why));
    if (missing.empty())
        std::printf("in force on every proxy:%s\n", names_of(proxies).c_str());
    std::fflush(stdout);
    return missing.empty();
}

class Move {
  public:
    Move(const Configuration &configuration, Options options)
        : configuration_(configuration), options_(std::move(options)),
          moving_(configuration, options_.task), access_(doveadm_access())
    {
    }

    int run()
    {
        if (!options_.kick && !options_.hold_only)
            return open(false);
        if (options_.kick) {
            if (const int code = find_proxies(); code != 0)
                return code;
        }
        std::optional<Position> position;
        const int held = moving_.hold(&position);
        if (!position || moving_.count() == 0 || options_.task.dry_run)
            return held;
        const bool in_force = tell_in_force(configuration_, *position, *options_.timeout);
        if (!options_.kick)
            return in_force ? held : exit_try_again;
        if (!in_force)
            return give_up();
        if (const int code = end_all(); code != 0)
            return code;
        return options_.hold_only ? held : open(true);
    }

  private:
    // One that cannot be reached now would leave the users on hold: nothing is begun then. Nor
    // where an address is another proxy's, for the sessions of the one meant would go on.
    int find_proxies()
    {
        Result<std::vector<Proxy>> proxies = proxies_of(configuration_.settings, access_);
        if (!proxies)
            return fail(exit_bad_config, proxies.error().message);
        proxies_ = std::move(*proxies);
        const auto table = open_table(configuration_.settings, Table::Mode::read);
        if (!table)
            return fail(exit_try_again, table.error().message);
        const std::vector<Proxy_state> states =
            read_proxy_reports(configuration_, (*table)->position());
        int code = 0;
        for (std::size_t i = 0; i < proxies_.size(); ++i) {
            if (const Result<Done> found = check_proxy(proxies_[i], states[i].report); !found)
                code = fail(exit_try_again, proxies_[i].name + ": " + found.error().message);
        }
        if (code != 0)
            report_error("nothing was changed: --kick needs every proxy of the setting proxies");
        return code;
    }

    Result<Done> check_proxy(const Proxy &proxy, const std::optional<Proxy_report> &report)
    {
        const Result<std::string> host = host_of(proxy, access_);
        if (!host)
            return Error{"its sessions cannot be seen: " + host.error().message};
        if (report && report->host != *host)
            return Error{"it reports from host " + report->host +
                         ", but its address in the "
                         "setting proxies is that of host " +
                         *host};
        if (const auto users = users_on(proxy, access_, {" "}); !users) // one that does not exist
            return Error{"its sessions cannot be seen: " + users.error().message};
        return Done{};
    }

    // Nobody has been kicked yet, so everybody may go on where they are.
    int give_up()
    {
        report_error("the hold is not in force on every proxy: nothing was kicked");
        std::optional<Position> position;
        (void)moving_.put_back(&position);
        return position ? exit_try_again : stay_on_hold();
    }

    // A login that was answered just before the hold came into force connects until its timeout;
    // when that fails late, it is tried once more, with the whole time (login-proxy.c). Meanwhile a
    // login process may not list it. So sessions are looked for until both are over.
    std::uint64_t settle_time() const
    {
        return options_.settle.value_or(2 *
                                        std::max(default_proxy_timeout, moving_.longest_timeout()));
    }

    int end_all()
    {
        Session_end what;
        what.is_theirs = [this](const std::string &user) { return moving_.is_theirs(user); };
        what.only = moving_.session_names();
        what.settle = settle_time();
        what.timeout = *options_.timeout;
        const Ended ended = end_sessions(proxies_, access_, what);
        for (std::size_t i = 0; i < proxies_.size(); ++i)
            std::printf("%s: %llu session%s ended\n", proxies_[i].name.c_str(),
                        static_cast<unsigned long long>(ended.sessions[i]),
                        ended.sessions[i] == 1 ? "" : "s");
        std::fflush(stdout);
        for (const std::string &failure : ended.failures)
            report_error(failure);
        if (ended.failures.empty())
            return 0;
        return stay_on_hold();
    }

    static int stay_on_hold()
    {
        return fail(exit_on_hold, "the users stay on hold: run the same command again when what "
                                  "is named above is right");
    }

    int open(bool held)
    {
        std::optional<Position> position;
        const int code = moving_.open(held, &position);
        if (!position)
            return held ? stay_on_hold() : code;
        if (options_.task.dry_run)
            return code;
        return tell_in_force(configuration_, *position, *options_.timeout) ? code : exit_try_again;
    }

    const Configuration &configuration_;
    const Options options_;
    Moving moving_;
    const Doveadm_access access_;
    std::vector<Proxy> proxies_;
};

// Milliseconds. Reports the error.
bool read_seconds(const Arguments &arguments, const char *name,
                  std::optional<std::uint64_t> *msecs_r)
{
    const std::optional<std::string> text = arguments.text(name);
    if (!text)
        return true;
    const Result<std::uint32_t> seconds = parse_number(*text, 0, max_seconds);
    if (!seconds) {
        report_error("--" + std::string(name) + ": " + seconds.error().message + " (seconds)");
        return false;
    }
    *msecs_r = *seconds * std::uint64_t{1000};
    return true;
}

// Reports the error.
bool read_options(const Arguments &arguments, Key_case key_case, Options *options_r)
{
    Options &options = *options_r;
    for (const std::string &word : arguments.list("user")) {
        std::string user = fold_name(word, key_case);
        std::vector<std::string> &users = options.task.users;
        if (!is_possible_name(user)) {
            report_error("'" + word + "' cannot be the name of a user");
            return false;
        }
        if (std::find(users.begin(), users.end(), user) == users.end())
            users.push_back(std::move(user));
    }
    options.task.from = fold_name(arguments.text("backend").value_or(""), key_case);
    options.task.to = fold_name(arguments.text("to").value_or(""), key_case);
    options.task.dry_run = arguments.has("dry-run");
    options.kick = arguments.has("kick");
    options.task.by_name = options.kick;
    options.hold_only = arguments.has("hold-only");
    if (!read_seconds(arguments, "settle", &options.settle) ||
        !read_seconds(arguments, "timeout", &options.timeout))
        return false;
    const char *wrong = nullptr;
    if (options.task.users.empty() == options.task.from.empty())
        wrong = "move needs either users or --backend, whose users are all moved";
    else if (options.task.to.empty() && !options.hold_only)
        wrong = "move needs --to, the backend that they are to be on";
    else if (!options.task.to.empty() && options.task.from == options.task.to)
        wrong = "--backend and --to name the same backend";
    else if (options.settle && !options.kick)
        wrong = "--settle goes with --kick";
    if (wrong != nullptr)
        report_error(wrong);
    return wrong == nullptr;
}

int run_move(const Arguments &arguments)
{
    const std::optional<Configuration> configuration = configuration_of(arguments);
    if (!configuration)
        return exit_bad_config;
    Options options;
    if (!read_options(arguments, configuration->settings.key_case, &options))
        return exit_usage;
    if (options.kick && configuration->settings.proxies.empty())
        return fail(exit_bad_config, "--kick needs the setting proxies: all login proxies of the "
                                     "fleet, and where their doveadm listens");
    return Move(*configuration, std::move(options)).run();
}

} // namespace

const Command move_command = {
    .name = "proxymap move",
    .usage = "[--config <settings file>] [--dry-run] [--kick] [--hold-only] [--settle <seconds>] "
             "[--timeout <seconds>] --to <name> <user> [...] | --backend <name> --to <name>",
    .parameters = {{"config", Parameter::Type::option},
                   {"dry-run", Parameter::Type::flag},
                   {"kick", Parameter::Type::flag},
                   {"hold-only", Parameter::Type::flag},
                   {"settle", Parameter::Type::option},
                   {"timeout", Parameter::Type::option},
                   {"backend", Parameter::Type::option},
                   {"to", Parameter::Type::option},
                   {"user", Parameter::Type::list}},
    .run = run_move,
};

} // namespace proxymap
