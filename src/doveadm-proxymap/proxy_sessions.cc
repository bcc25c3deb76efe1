// See proxy_sessions.h.
#include "proxy_sessions.h"

#include "waiting.h"

#include "core/clock.h"
#include "core/proxy_report.h"

#include <optional>
#include <set>
#include <utility>

namespace proxymap {

namespace {

constexpr const char *command = "proxymap sessions";
constexpr std::size_t columns = 5; // of sessions.cc
// In one request: a doveadm-server takes lines of a megabyte, and a login process compares each of
// its sessions with each name.
constexpr std::size_t max_words = 500;

// Ends what is theirs. How many there were.
Result<std::uint64_t> end_once(const Proxy &proxy, const Doveadm_access &access,
                               const Session_end &what)
{
    const Result<std::vector<std::string>> listed = users_on(proxy, access, what.only);
    if (!listed)
        return listed.error();
    std::uint64_t sessions = 0;
    std::set<std::string> users;
    for (const std::string &user : *listed) {
        const Result<bool> theirs = what.is_theirs(user);
        if (!theirs)
            return theirs.error();
        if (*theirs) {
            users.insert(user);
            ++sessions;
        }
    }
    for (auto user = users.begin(); user != users.end();) {
        std::vector<std::string> words = {command, "--kick", "--"};
        for (; user != users.end() && words.size() < max_words; ++user)
            words.push_back(*user);
        if (const auto done = ask_doveadm(proxy.address, access, words); !done)
            return done.error();
    }
    return sessions;
}

struct Look {
    std::uint64_t ended = 0;
    std::uint64_t left = 0; // found by the last look
    std::optional<std::string> why;
    std::uint64_t answered; // when it last did, by the monotonic clock
};

} // namespace

Result<std::vector<Proxy>> proxies_of(const Settings &settings, const Doveadm_access &access)
{
    std::vector<Proxy> proxies;
    for (const Proxy_address &named : settings.proxies) {
        Proxy proxy{named.name, {named.host, named.port, named.path}};
        if (!named.has_address()) {
            const std::string own = own_proxy_name(settings);
            if (named.name != own)
                return Error{"the setting proxies gives no address for " + named.name +
                             ", and this host is " + own + ": write " + named.name +
                             "=HOST:PORT, or set proxy_name"};
            proxy.address.path = access.socket;
        } else if (named.path.empty() && named.port == 0) {
            if (access.port == 0)
                return Error{"the setting proxies gives no port for " + named.name +
                             ", and doveadm_port is not set in Dovecot's configuration: write " +
                             named.text() + ":PORT"};
            proxy.address.port = access.port;
        }
        proxies.push_back(std::move(proxy));
    }
    return proxies;
}

Result<std::string> host_of(const Proxy &proxy, const Doveadm_access &access)
{
    Result<std::vector<std::string>> values =
        ask_doveadm(proxy.address, access, {command, "--host"});
    if (!values)
        return values.error();
    if (values->size() != 1)
        return Error{"it does not say which host it is"};
    return std::move(values->front());
}

Result<std::vector<std::string>> users_on(const Proxy &proxy, const Doveadm_access &access,
                                          const std::vector<std::string> &only)
{
    std::vector<std::string> words;
    words.emplace_back(command);
    if (!only.empty() && only.size() < max_words) {
        words.emplace_back("--");
        words.insert(words.end(), only.begin(), only.end());
    }
    const Result<std::vector<std::string>> values = ask_doveadm(proxy.address, access, words);
    if (!values)
        return values.error();
    if (values->size() % columns != 0)
        return Error{"its list of sessions is not understood"};
    std::vector<std::string> users;
    for (std::size_t i = 0; i < values->size(); i += columns)
        users.push_back((*values)[i]);
    return users;
}

Ended end_sessions(const std::vector<Proxy> &proxies, const Doveadm_access &access,
                   const Session_end &what)
{
    Waiting settle(what.settle);
    Waiting most(what.settle + what.timeout);
    std::vector<Look> looks(proxies.size(), Look{0, 0, {}, monotonic_ms()});
    for (;;) {
        const bool settled = settle.over(); // before it is looked
        bool clean = true;
        bool lost = false;
        for (std::size_t i = 0; i < proxies.size(); ++i) {
            Look &look = looks[i];
            const Result<std::uint64_t> found = end_once(proxies[i], access, what);
            look.left = found ? *found : 0;
            look.ended += look.left;
            look.why = found ? std::nullopt : std::optional(found.error().message);
            clean = clean && found && *found == 0;
            if (found)
                look.answered = monotonic_ms();
            lost = lost || monotonic_ms() - look.answered > what.timeout;
        }
        if ((settled && clean) || lost || most.over())
            break;
        (settled ? most : settle).pause("ending sessions");
    }
    Ended ended;
    for (std::size_t i = 0; i < proxies.size(); ++i) {
        const Look &look = looks[i];
        ended.sessions.push_back(look.ended);
        if (look.why)
            ended.failures.push_back(proxies[i].name + ": " + *look.why);
        else if (look.left > 0)
            ended.failures.push_back(proxies[i].name + ": " + std::to_string(look.left) +
                                     " of their sessions came back until the end");
    }
    return ended;
}

} // namespace proxymap
