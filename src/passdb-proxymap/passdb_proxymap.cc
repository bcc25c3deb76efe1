// Who is answered, and who checks the password. The order of the questions matters: each one
// that is answered "no" closes a door (docs/ARCHITECTURE.md lists them).
#include "passdb_proxymap.h"

#include "../core/clock.h"
#include "../core/ip.h"
#include "../dovecot/dns.h"
#include "../dovecot/ioloop.h"
#include "../dovecot/log.h"
#include "../store/chain.h"

#include <algorithm>
#include <exception>
#include <utility>

namespace proxymap {

namespace {

// The fields that still mean something when the user turns out to live on this very host: what
// decides when and from where somebody may log in, and as whom. Nothing that names a destination.
bool belongs_to_local_login(std::string_view name)
{
    return name == "user" || name == "nologin" || name == "reason" || name == "allow_nets" ||
           name == "allow_real_nets" || name == "delay_until" || name.starts_with("user_") ||
           name.starts_with("event_");
}

// What a complaint is about, for one line a minute: times and counts in it make no difference.
std::string cause_of(std::string sentence)
{
    std::erase_if(sentence, [](char c) { return c >= '0' && c <= '9'; });
    return sentence;
}

// When and from where somebody may log in says nothing about mail for him: LMTP's client is a mail
// server, and a refusal would mean delivery on this host.
void set_field(Auth_request &request, const std::string &name, const std::string &value)
{
    if (request.authenticates() ||
        (name != "allow_nets" && name != "allow_real_nets" && name != "delay_until"))
        request.set_field(name, value);
}

bool has_field(const Route &route, std::string_view name)
{
    return std::any_of(route.fields.begin(), route.fields.end(),
                       [name](const auto &field) { return field.first == name; });
}

// LMTP asks in the same words when a backend has named another one, and refuses the mail for good
// when the answer is the one that it had.
bool may_have_been_sent_on(const Auth_request &request, const Lookup_result &cached)
{
    const Resolution &resolution = cached.resolution;
    return !request.authenticates() && resolution.outcome == Outcome::found &&
           has_field(*resolution.route, "proxy_redirect_reauth");
}

// The plaintext of a password that is stored as such, else null. It may be sent to the backend
// when the client's mechanism did not give us one.
const char *plaintext_of(const std::string &password)
{
    if (password.empty() || password[0] != '{')
        return password.c_str();
    for (std::string_view scheme : {"{PLAIN}", "{CLEARTEXT}", "{CLEAR}"}) {
        if (password.starts_with(scheme))
            return password.c_str() + scheme.size();
    }
    return nullptr;
}

// Why a password that nobody has checked yet must not open that route; empty when the backend is
// sure to see it. MUST: `verify = backend` accepts any password, so a route that logs in with the
// proxy's own secret, or with none, would let anybody in.
std::string why_backend_would_not_see_it(const Route &route)
{
    if (route.own_credential)
        return "verify = backend cannot use a route with a credential of the proxy's own, for "
               "nobody would check the user's password: use verify = map, or a passdb before it";
    for (const auto &[name, value] : route.fields) {
        if (name == "proxy_noauth")
            return "verify = backend cannot use a route with proxy_noauth, for nobody would check "
                   "the user's password";
        // The login plugin puts proxymap_mech in the place of needs_login_plugin.
        const bool is_mech =
            name == "proxymap_mech" || (name == "proxy_mech" && value != needs_login_plugin);
        if (is_mech && value != "PLAIN" && value != "LOGIN" && !value.starts_with("SCRAM-"))
            return "verify = backend cannot use proxy_mech=" + value +
                   ", for it does not carry the user's password";
    }
    return {};
}

} // namespace

Passdb_proxymap::Passdb_proxymap(Configuration configuration)
    : configuration_(std::move(configuration))
{
}

Passdb_proxymap::~Passdb_proxymap() = default;

std::string Passdb_proxymap::check_block(const Block_rules &rules)
{
    return check_passdb_block(rules, settings_.verify);
}

void Passdb_proxymap::verify_plain(const Auth_request &request, const Block_rules &rules,
                                   const char *password, std::uintptr_t answer)
{
    begin({request, &rules, password, answer, monotonic_us()});
}

void Passdb_proxymap::lookup_credentials(const Auth_request &request, const Block_rules &rules,
                                         std::uintptr_t answer)
{
    begin({request, &rules, nullptr, answer, monotonic_us()});
}

void Passdb_proxymap::answer(const Login_request &login, const Decision &decision)
{
    if (login.password != nullptr)
        answer_plain(login.request, login.answer, decision.verdict);
    else
        answer_credentials(login.request, login.answer, decision.verdict, decision.password);
}

void Passdb_proxymap::complain(const Login_request &login, const std::string &cause,
                               const std::string &text)
{
    std::uint64_t held_back;
    if (!limiter_.allow(cause, monotonic_ms(), &held_back))
        return;
    std::string line = "proxymap: " + text;
    if (held_back > 0)
        line += " (" + std::to_string(held_back) + " more of these since the last such line)";
    log_error(login.request.log_event(), line);
}

// In an auth worker the stores open files, sockets and threads only when first asked.
void Passdb_proxymap::start(bool in_worker)
{
    loop_ = make_ioloop();
    resolver_ = make_dns_resolver();
    lmtp_sources_ = std::make_unique<Lmtp_sources>(
        settings_.source_pools,
        Source_addresses::Surroundings{
            resolver_.get(), [this](const Ip &ip) { return assigned_here_(ip); }, monotonic_ms,
            [](const std::string &line) { log_warning(line); }});
    lookups_ = std::make_unique<Lookups>(
        configuration_.settings, configuration_.credentials, *loop_,
        make_stores(configuration_.settings, configuration_.seal_keys, *loop_, news_,
                    in_worker ? Polling::from_first_lookup : Polling::at_once),
        news_);
}

// Whether this request is one to look up at all; then the cache, then the stores.
void Passdb_proxymap::begin(const Login_request &login)
{
    const Auth_request &request = login.request;
    const Block_rules &rules = *login.rules;
    if (settings_.verify == Verify::none && !rules.failures_end_login) {
        complain(login, "block rules", how_to_write_verify_none);
        return answer(login, {Verdict::user_disabled});
    }
    if (rules.is_master || request.wants_master_login()) {
        complain(login, "master block", "it cannot verify a master user");
        return answer(login, {Verdict::user_disabled});
    }
    std::optional<Service> service = parse_service(request.service());
    if (!service.has_value() || *service == Service::any ||
        !settings_.backend_services.contains(*service)) {
        // Another client of auth (Postfix has service=smtp): nothing here proxies for it.
        if (settings_.verify != Verify::none)
            return answer(login, {Verdict::user_unknown});
        return answer(login, {request.password_was_verified() ? Verdict::ok : Verdict::next});
    }

    if (settings_.verify == Verify::backend && *service == Service::lmtp &&
        request.authenticates() && !request.password_was_verified()) {
        // LMTP looks users up and sends no password on: no backend would see this one.
        return answer(login, {Verdict::user_unknown});
    }

    Login who{request.user(), *service};
    Lookup_result result;
    const bool cached = lookups_->from_cache(who, &result);
    const bool anew = request.was_sent_on() || (cached && may_have_been_sent_on(request, result));
    if (cached && !anew)
        return finish(login, result);
    auto answered = [this, login, hold = Request_hold(request)](const Lookup_result &found) {
        finish(login, found);
    };
    if (anew)
        lookups_->start_anew(who, std::move(answered));
    else
        lookups_->start(who, result.resolution.needed, std::move(answered));
}

void Passdb_proxymap::finish(const Login_request &login, const Lookup_result &result)
{
    Decision decision{Verdict::internal_failure};
    try {
        decision = decide(login, result);
        event *event = login.request.log_event();
        if (events_wanted(event))
            emit_lookup_finished(event, {result.store.empty() ? "cache" : result.store,
                                         to_string(result.resolution.outcome),
                                         to_string(result.cache), login.started_usecs});
    } catch (const std::exception &error) {
        complain(login, "exception", error.what());
        decision = {Verdict::internal_failure};
    }
    answer(login, decision);
}

Passdb_proxymap::Decision Passdb_proxymap::decide(const Login_request &login,
                                                  const Lookup_result &result)
{
    const Resolution &resolution = result.resolution;
    if (!result.outage.empty() && resolution.outcome != Outcome::unavailable)
        complain(login, cause_of(result.outage),
                 std::string("the map cannot be read as configured, ") +
                     (result.cache == Cache_use::stale ? "users go by their last good route: "
                                                       : "another store answers: ") +
                     result.outage);
    switch (resolution.outcome) {
    case Outcome::found:
        return apply(login, resolution);
    case Outcome::missing:
        // For LMTP "unknown" means local delivery.
        if (login.request.service() == "lmtp" && settings_.lmtp_missing == Lmtp_missing::tempfail)
            return {Verdict::internal_failure};
        return {Verdict::user_unknown};
    case Outcome::unavailable:
        break;
    }
    complain(login, cause_of(result.outage.empty() ? resolution.why : result.outage),
             "no route, temporary failure: " + resolution.why);
    return {Verdict::internal_failure};
}

// Why this login's secret cannot go to that backend; empty when it can.
std::string Passdb_proxymap::why_not_sendable(const Login_request &login, const Route &route) const
{
    const Auth_request &request = login.request;
    if (has_field(route, "proxymap_tls") && !request.login_process_enforces_policies())
        return "it asks for a TLS policy, and who asks has nothing that enforces one: where it is "
               "a "
               "login process, add login_proxy_ext to login_plugins";
    for (const auto &[name, value] : route.fields) {
        if ((name == "proxy_mech" || name == "proxymap_mech") && value != needs_login_plugin &&
            !login_processes_know(value))
            return "login processes of this Dovecot do not know proxy_mech=" + value;
    }
    if (!request.authenticates())
        return {};
    if (route.own_credential)
        return {};
    if (request.is_master_login())
        return "a master login needs a route with a credential of the proxy's own";
    switch (request.mechanism()) {
    case Mechanism_class::plaintext:
        return {};
    case Mechanism_class::bearer:
        if (route.bearer_mech && login.password == nullptr && request.verified_token().empty())
            return "its token is not there to be sent on: since Dovecot 2.4.3 it takes `oauth2 { "
                   "fields { token = %{token} } }`";
        if (route.bearer_mech)
            return {};
        return "a token is never sent as a password: the route needs `proxy_mech=XOAUTH2` or "
               "`proxy_mech=OAUTHBEARER`";
    case Mechanism_class::other:
        break;
    }
    if (settings_.verify == Verify::map && route.has_password &&
        plaintext_of(route.password) != nullptr)
        return {};
    return "mechanism " + std::string(request.mechanism_name()) +
           " gives the proxy no password to send on: the route needs a credential";
}

std::string Passdb_proxymap::label(const Login_request &login, const Resolution &found) const
{
    return "record " +
           deciding_record({login.request.user(), Service::any}, found, settings_.key_case);
}

// verify = map: the record's password decides.
Passdb_proxymap::Decision Passdb_proxymap::check_password(const Login_request &login,
                                                          const Resolution &found)
{
    const Route &route = *found.route;
    if (login.password == nullptr) // what LMTP asks needs none, and must not fail for a bad one
        return {Verdict::ok, route.has_password && login.request.authenticates()
                                 ? route.password.c_str()
                                 : nullptr};
    if (!route.has_password && !login.request.password_was_verified()) {
        complain(login, "no password",
                 "verify = map, but " + label(login, found) + " has no password");
        return {Verdict::internal_failure};
    }
    Auth_request request = login.request;
    int right = request.verify_password(login.password, route.password);
    // MUST: an outage is never "wrong password", and a stale record may hold an old one.
    if (right < 0 || (right == 0 && found.stale))
        return {Verdict::internal_failure};
    return {right > 0 ? Verdict::ok : Verdict::password_mismatch};
}

Passdb_proxymap::Decision Passdb_proxymap::apply(const Login_request &login,
                                                 const Resolution &found)
{
    const Route &route = *found.route;
    Auth_request request = login.request;
    const bool here = request.is_self(route.host, route.hostip, route.port);

    // Who checks the password? Only `backend` accepts any, and only where the backend will see it.
    Decision decision{Verdict::ok};
    std::string refusal;
    switch (settings_.verify) {
    case Verify::backend:
        // Here on this host another passdb checks the password; LMTP only asks where to deliver.
        if (here && request.authenticates())
            return {request.password_was_verified() ? Verdict::ok : Verdict::next};
        if (login.password != nullptr && request.mechanism() == Mechanism_class::other)
            return {Verdict::scheme_not_available};
        if (request.authenticates() && !request.password_was_verified())
            refusal = why_backend_would_not_see_it(route);
        break;
    case Verify::map:
        decision = check_password(login, found);
        if (decision.verdict != Verdict::ok)
            return decision;
        break;
    case Verify::none:
        if (request.authenticates() && !request.password_was_verified())
            decision.verdict = Verdict::next;
        break;
    }

    // default_fields are checked at start, but an earlier passdb may have set anything.
    if (request.has_fields())
        request.clear_route_fields();
    if (here) {
        for (const auto &[name, value] : route.fields) {
            if (belongs_to_local_login(name))
                set_field(request, name, value);
        }
        return request.was_refused_by_field() ? Decision{Verdict::user_disabled} : decision;
    }

    if (refusal.empty())
        refusal = why_not_sendable(login, route);
    if (!refusal.empty()) {
        complain(login, refusal, label(login, found) + ": " + refusal);
        return {Verdict::internal_failure};
    }
    std::string source_ip;
    if (!route.source_pool.empty()) {
        Result<std::string> source = lmtp_sources_->choose(route, request.user());
        if (!source) {
            complain(login, source.error().message,
                     label(login, found) + ": " + source.error().message);
            return {Verdict::internal_failure};
        }
        source_ip = std::move(*source);
    }
    for (const auto &[name, value] : route.fields)
        set_field(request, name, value);
    if (!source_ip.empty())
        request.set_field("source_ip", source_ip);
    // MUST: Dovecot takes a field's refusal for "unknown user", and the next passdb might let the
    // user in without it.
    if (request.was_refused_by_field())
        return {Verdict::user_disabled};
    if (request.mechanism() == Mechanism_class::bearer && route.bearer_mech &&
        !route.own_credential)
        request.set_field(has_field(route, "proxymap_tls") ? "proxymap_mech" : "proxy_mech",
                          route.bearer_mech_name);
    // LMTP keeps the address that the backend named unless it is told another, and ends by an
    // assertion when it is not the host's (lmtp_proxy_rcpt_redirect_relookup()).
    if (has_field(route, "proxy_redirect_reauth") && !request.authenticates() &&
        route.hostip.empty() && parse_ip(route.host))
        request.set_field("hostip", route.host);
    // By our own leave, for auth cannot answer what Dovecot's login processes ask then. A master's
    // password, a token, or the proxy's own secret would not log this user in here again.
    if (has_field(route, "proxy_redirect_reauth") && request.authenticates() &&
        request.login_process_enforces_policies())
        request.set_field("proxymap_reauth", request.mechanism() == Mechanism_class::plaintext &&
                                                     !route.own_credential &&
                                                     !request.is_master_login()
                                                 ? "y"
                                                 : "n");
    // Where auth has verified it itself it is no password to auth, and so not sent on by itself.
    if (const std::string token(request.verified_token());
        !token.empty() && route.bearer_mech && !route.own_credential)
        request.set_field("pass", token);
    if (settings_.verify == Verify::map && !route.own_credential && request.authenticates() &&
        !request.has_client_password() && request.mechanism() == Mechanism_class::other)
        request.set_field("pass", plaintext_of(route.password));
    // Dovecot would add the master user's name itself, for a login that is not the master's.
    if (request.is_master_login() && !has_field(route, "master"))
        request.set_field("master", "");
    request.set_field("proxy", "y");
    return decision;
}

std::unique_ptr<Passdb> make_passdb(Configuration configuration)
{
    return std::make_unique<Passdb_proxymap>(std::move(configuration));
}

} // namespace proxymap
