// passdb-proxymap: a login comes in, the route's fields go out.
//
// Thin: where the user lives is found by store/lookups, what Dovecot is told is made by
// core/route. What is decided here is who may be answered at all, and who checks the password.
#pragma once

#include "../core/assigned_here.h"
#include "../core/configuration.h"
#include "../core/log_limiter.h"
#include "../dovecot/passdb.h"
#include "../store/lookups.h"
#include "lmtp_sources.h"

#include <memory>
#include <string>

namespace proxymap {

class Passdb_proxymap final : public Passdb {
  public:
    explicit Passdb_proxymap(Configuration configuration);
    ~Passdb_proxymap() override;

    void start(bool in_worker) override;
    std::string check_block(const Block_rules &rules) override;
    void verify_plain(const Auth_request &request, const Block_rules &rules, const char *password,
                      std::uintptr_t answer) override;
    void lookup_credentials(const Auth_request &request, const Block_rules &rules,
                            std::uintptr_t answer) override;

  private:
    // One request on its way through.
    struct Login_request {
        Auth_request request;
        const Block_rules *rules;
        const char *password; // null: lookup_credentials
        std::uintptr_t answer;
        std::uint64_t started_usecs;
    };
    // What the client's answer will be; `password` for lookup_credentials.
    struct Decision {
        Verdict verdict;
        const char *password = nullptr;
    };

    void begin(const Login_request &login);
    void finish(const Login_request &login, const Lookup_result &result);
    Decision decide(const Login_request &login, const Lookup_result &result);
    Decision apply(const Login_request &login, const Resolution &found);
    Decision check_password(const Login_request &login, const Resolution &found);
    std::string why_not_sendable(const Login_request &login, const Route &route) const;

    // "record user john"
    std::string label(const Login_request &login, const Resolution &found) const;

    // One line per cause per minute; the count of those held back is added.
    void complain(const Login_request &login, const std::string &cause, const std::string &text);
    void answer(const Login_request &login, const Decision &decision);

    const Configuration configuration_;
    const Settings &settings_ = configuration_.settings;
    Log_limiter limiter_;
    Map_news news_;
    std::unique_ptr<Loop> loop_;
    Assigned_here assigned_here_;
    std::unique_ptr<Resolver> resolver_;         // outlives the next
    std::unique_ptr<Lmtp_sources> lmtp_sources_; // from start() on
    std::unique_ptr<Lookups> lookups_;           // opens nothing before the first lookup
};

} // namespace proxymap
