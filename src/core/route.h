// A route: the answer for one login, made of the most specific record, its backend and the
// settings. Pure: asks the view what is known, and says what else it needs.
//
// MUST: a less specific record counts only when each more specific one is a proven miss.
#pragma once

#include "credentials.h"
#include "record.h"
#include "settings.h"

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace proxymap {

class Route_memo;

// The SASL mechanism that a route with a TLS policy names. It does not exist: a login process
// without login_proxy_ext fails such a login before any password leaves it.
inline constexpr std::string_view needs_login_plugin = "NEEDS-LOGIN-PROXY-EXT";

enum class Outcome : std::uint8_t { found, missing, unavailable };
std::string_view to_string(Outcome outcome);

struct Key {
    Kind kind;
    std::string name; // folded
    bool operator==(const Key &) const = default;
    auto operator<=>(const Key &) const = default;
};

// What is known of one key.
struct Known {
    Outcome outcome = Outcome::unavailable;
    const Record *record = nullptr; // found: valid while the resolving call runs
    bool stale = false;
    std::string why; // unavailable: the reason, for the log
    // found: records with the same number, if it is not 0, have the same kind and fields.
    std::uint64_t content = 0;
};

// What the resolver may look at: cache and the answers of this login's lookups.
class View {
  public:
    virtual ~View() = default;
    // Null: nobody has asked yet.
    virtual const Known *find(Kind kind, std::string_view name) = 0;
};

struct Login {
    std::string_view user; // as Dovecot normalised it
    Service service = Service::any;
};

// Everything that Dovecot is told, but for what decides whether somebody gets in.
struct Route {
    using Fields = std::vector<std::pair<std::string, std::string>>;
    Fields fields;            // name, value; the order is that of route_fields.cc
    std::string host, hostip; // also in fields
    std::string port;         // "" when the record leaves it to Dovecot
    std::string password;     // `password` of the record, for verify = map
    bool has_password = false;
    std::string pass;            // sent to the backend instead of the client's; also in fields
    bool own_credential = false; // pass (and master) come from a credential or the record
    // proxy_mech is XOAUTH2 or OAUTHBEARER, and not in fields: it is for a login that brings a
    // token, for a password must never be sent as one.
    bool bearer_mech = false;
    std::string bearer_mech_name;
    std::string source_pool; // LMTP: the pool that source_ip is chosen from; "" for none
    std::string backend;     // its backend record, "" when it names a host itself
    bool personal = false;   // something in it is made of the login's name
};

struct Resolution {
    enum class State : std::uint8_t { decided, need_more } state = State::need_more;
    Outcome outcome = Outcome::unavailable;
    std::shared_ptr<const Route> route; // found
    Kind kind = Kind::user;             // found: of the record that decided
    bool stale = false;                 // found: any record that was used
    std::string why;                    // unavailable: one sentence for the log
    std::vector<Key> needed;            // need_more: ask for these in one request
};

// Decided after at most three rounds: user/domain/default, backend, failover backend. Where any
// part of "all are missing" is stale, the outcome is unavailable: an outage never turns into
// "unknown user".
Resolution resolve(const Login &login, View &view, const Settings &settings,
                   const Credentials &credentials);
// The same, into a Resolution that is new; finds routes in the memo and puts them there. The memo
// belongs to these very settings and credentials.
void resolve(const Login &login, View &view, const Settings &settings,
             const Credentials &credentials, Route_memo *memo, Resolution *resolution_r);

// The record that decided a login that was found: "user john".
std::string deciding_record(const Login &login, const Resolution &resolution, Key_case key_case);

} // namespace proxymap
