// What a passdb is on this Dovecot, seen from C++: requests come in, fields and a verdict go out.
// All that differs between Dovecot's branches stays behind this header.
#pragma once

#include "../core/configuration.h"
#include "../core/passdb_block.h"

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

struct auth_request;
struct event;

namespace proxymap {

// Dovecot's enum passdb_result.
enum class Verdict : std::uint8_t {
    ok,
    next, // not decided here: the chain goes on to whoever checks the password
    user_unknown,
    user_disabled, // always a failed login, whatever the block's result_* rules say
    password_mismatch,
    scheme_not_available, // this passdb has no credentials for the mechanism
    internal_failure,     // the client hears "temporary failure"
};

// How the client authenticates.
enum class Mechanism_class : std::uint8_t {
    plaintext, // the client's password is here
    bearer,    // XOAUTH2, OAUTHBEARER: a token
    other,     // CRAM-MD5, EXTERNAL, ... and lookups that do not authenticate (LMTP, doveadm)
};

// One request of auth, for as long as it is being answered.
class Auth_request {
  public:
    explicit Auth_request(auth_request *request) : request_(request) {}

    std::string_view user() const;    // normalised by auth_username_format
    std::string_view service() const; // imap, pop3, lmtp, submission, sieve, smtp, ...
    Mechanism_class mechanism() const;
    std::string_view mechanism_name() const; // "" for lookups that do not authenticate
    // The token that 2.4's mechanism has verified itself; empty: none, on 2.3 always.
    std::string_view verified_token() const;
    // A client password that can be sent on: the mechanism was plaintext.
    bool has_client_password() const;
    // `joe*admin` before admin is verified. Then this passdb is a master passdb.
    bool wants_master_login() const;
    // `joe*admin` after admin was verified by another passdb.
    bool is_master_login() const;
    // A passdb before this one has checked the password (result_success = continue...).
    bool password_was_verified() const;
    // A field that was set keeps this login out (allow_nets, delay_until ...).
    bool was_refused_by_field() const;
    // Fields that other blocks have set before. clear_route_fields() removes those of them that
    // would mix with a route.
    bool has_fields() const;
    void clear_route_fields();
    // The login process that asks has the plugin that enforces TLS policies, and says so by a
    // forward field (which it takes out of the reply again: backends need not see it).
    bool login_process_enforces_policies() const;
    // The backend of the route that was answered a moment ago has named another one. Said in the
    // same way.
    bool was_sent_on() const;
    bool authenticates() const; // false for LMTP's and doveadm's lookups
    // Whether this address and port ("" for any) are where the client connected to, or one of
    // auth_proxy_self. Only IP addresses are compared, never names.
    bool is_self(const std::string &host, const std::string &hostip, const std::string &port) const;

    void set_field(const std::string &name, const std::string &value);
    // {SCHEME} in front decides, else PLAIN. 1: right, 0: wrong, -1: cannot be checked.
    int verify_password(const char *plaintext, const std::string &crypted);

    event *log_event() const;
    auth_request *get() const { return request_; }

  private:
    auth_request *request_;
};

// Whether login processes can log in with this mechanism (`proxy_mech`). One that they do not know
// makes them crash in 2.3.
bool login_processes_know(std::string_view mechanism);

// The passdb itself; src/passdb-proxymap implements it.
class Passdb {
  public:
    virtual ~Passdb() = default;
    // Once, before the first request; the main ioloop is current. in_worker: of the processes that
    // check passwords for auth, which may never see a request.
    virtual void start(bool in_worker) = 0;
    // Sees, at start, every block of every protocol that uses this passdb. Says why auth must not
    // start; empty: it may.
    virtual std::string check_block(const Block_rules &rules) = 0;
    // The answer goes to answer_plain(), at once or from the loop.
    virtual void verify_plain(const Auth_request &request, const Block_rules &rules,
                              const char *password, std::uintptr_t answer) = 0;
    virtual void lookup_credentials(const Auth_request &request, const Block_rules &rules,
                                    std::uintptr_t answer) = 0;
};

// Keeps a request alive while an answer is awaited.
class Request_hold {
  public:
    explicit Request_hold(const Auth_request &request);
    ~Request_hold();
    Request_hold(const Request_hold &other);
    Request_hold &operator=(const Request_hold &) = delete;

  private:
    auth_request *request_;
};

void answer_plain(const Auth_request &request, std::uintptr_t answer, Verdict verdict);
// password: null for none; {SCHEME} in front decides, else PLAIN.
void answer_credentials(const Auth_request &request, std::uintptr_t answer, Verdict verdict,
                        const char *password);

// Makes the passdb of one block from its settings. Called before privileges drop, and in auth
// workers too. Defined by src/passdb-proxymap.
std::unique_ptr<Passdb> make_passdb(Configuration configuration);

} // namespace proxymap
