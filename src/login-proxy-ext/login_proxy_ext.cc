// The plugin, and one login as it sees it; see login_proxy_ext.h.
#include "login_proxy_ext.h"

#include "../dovecot/log.h"

#include <algorithm>
#include <optional>
#include <utility>

namespace proxymap {

namespace {

// A pool may have a thousand addresses, and a client does not wait for each to fail.
constexpr std::size_t max_sources_tried = 8;

class Sent_on : public Proxied_login {
  public:
    Sent_on(Login_proxy_ext &plugin, const Login_to_proxy &login)
        : plugin_(plugin), reply_(login.reply), user_(login.user),
          port_(reply_.port() != 0 ? reply_.port() : login.default_port),
          log_event_(login.log_event), pool_(reply_.source_pool())
    {
        if (const Error *broken = plugin.broken()) {
            refusal_ = broken->message;
            return;
        }
        const std::string_view name = reply_.tls_policy();
        if (name.empty())
            return;
        Result<Backend_tls *> policy = plugin.find_policy(name);
        if (policy)
            tls_ = *policy;
        refusal_ = policy ? why_not(tls_->policy()) : policy.error().message;
    }

    bool must_wait(std::function<void()> ready) override
    {
        wait_.reset();
        if (!refusal_.empty() || pool_.empty())
            return false;
        wait_ = plugin_.sources().wait(pool_, std::move(ready));
        return wait_ != nullptr;
    }

    Result<Reply_fields> next_fields() override
    {
        if (!refusal_.empty())
            return Error{refusal_};
        // Without an address there is no family; Dovecot refuses such a reply itself.
        const std::optional<Ip> backend = reply_.address();
        if (!backend)
            return reply_.rewritten(tls_ != nullptr, std::nullopt);
        Result<std::optional<Ip>> source = source_for(*backend, port_);
        if (!source)
            return source.error();
        return reply_.rewritten(tls_ != nullptr, *source);
    }

    Result<std::optional<Ip>> source_for(const Ip &backend, std::uint16_t port) override
    {
        if (pool_.empty())
            return std::optional<Ip>();
        lease_.release();
        Result<Source_lease> lease = plugin_.sources().take(pool_, backend, port, user_, tried_);
        if (!lease)
            return lease.error();
        lease_ = std::move(*lease);
        if (events_wanted(log_event_))
            emit_event(log_event_, "proxymap_source_selected",
                       {{"pool", pool_}, {"source_ip", format_ip(lease_.ip())}},
                       {{"connections", lease_.used()}, {"tried", tried_.size()}});
        return std::optional<Ip>(lease_.ip());
    }

    bool has_another_source() override
    {
        const std::optional<Ip> backend = reply_.address();
        if (pool_.empty() || !backend)
            return false;
        const Ip failed = lease_.ip();
        plugin_.sources().failed(pool_, failed);
        tried_.push_back(failed);
        if (tried_.size() >= max_sources_tried)
            return false;
        // Only to know; next_fields() takes it.
        return plugin_.sources().take(pool_, *backend, port_, user_, tried_).ok();
    }

    Backend_tls *tls() const override { return tls_; }

  private:
    // Why the route cannot be gone under this policy; empty when it can.
    std::string why_not(const Tls_policy &policy) const
    {
        if (policy.require && !reply_.wants_tls())
            return "TLS policy " + policy.name + " requires TLS, but the route has none";
        if (reply_.wants_any_cert() && !policy.any_cert)
            return "the route accepts any certificate, but its TLS policy " + policy.name +
                   " does not say any_cert = yes";
        return {};
    }

    Login_proxy_ext &plugin_;
    const Auth_reply reply_;
    const std::string user_;
    const std::uint16_t port_;
    event *const log_event_;
    const std::string pool_;
    Backend_tls *tls_ = nullptr;
    std::string refusal_;
    std::unique_ptr<Sources::Wait> wait_;
    Source_lease lease_;
    std::vector<Ip> tried_;
};

} // namespace

Login_proxy_ext::Login_proxy_ext(Result<Login_settings> settings, std::unique_ptr<Sources> sources)
    : settings_(std::move(settings)), sources_(std::move(sources))
{
}

Login_proxy_ext::~Login_proxy_ext() = default;

std::unique_ptr<Proxied_login> Login_proxy_ext::begin(const Login_to_proxy &login)
{
    if (login.reply.tls_policy().empty() && login.reply.source_pool().empty())
        return nullptr;
    return std::make_unique<Sent_on>(*this, login);
}

Result<Backend_tls *> Login_proxy_ext::find_policy(std::string_view name)
{
    auto known = policies_.find(name);
    if (known != policies_.end())
        return known->second.get();
    const std::vector<Tls_policy> &policies = settings_->settings.tls_policies;
    auto policy = std::find_if(policies.begin(), policies.end(),
                               [&](const Tls_policy &other) { return other.name == name; });
    if (policy == policies.end())
        return Error{"there is no section tls_policy " + std::string(name) + " { } in " +
                     settings_->settings.path};
    Result<Policy_files> files = settings_->files.files_of(*policy);
    if (!files)
        return files.error();
    auto tls = std::make_unique<Backend_tls>(*policy, std::move(*files));
    return policies_.emplace(name, std::move(tls)).first->second.get();
}

} // namespace proxymap
