// The plugin: which TLS policy judges a login's backend, and which address its connection comes
// from.
//
// MUST: a login whose policy is unknown or cannot be enforced is refused for the time being.
#pragma once

#include "../dovecot/login.h"
#include "login_settings.h"
#include "sources.h"

#include <map>
#include <memory>
#include <string>
#include <string_view>

namespace proxymap {

class Login_proxy_ext : public Login_plugin {
  public:
    // settings: an error, and sources null: logins with a policy or a pool are refused, others go
    // on.
    Login_proxy_ext(Result<Login_settings> settings, std::unique_ptr<Sources> sources);
    ~Login_proxy_ext() override;

    std::unique_ptr<Proxied_login> begin(const Login_to_proxy &login) override;

    const Error *broken() const { return settings_ ? nullptr : &settings_.error(); }
    // Only when not broken.
    Sources &sources() { return *sources_; }
    // Made on the policy's first login. Error: why there is none.
    Result<Backend_tls *> find_policy(std::string_view name);

  private:
    Result<Login_settings> settings_;
    std::unique_ptr<Sources> sources_;
    std::map<std::string, std::unique_ptr<Backend_tls>, std::less<>> policies_;
};

} // namespace proxymap
