// Takes contexts over and says how handshakes ended; what happens in between is in
// backend_callbacks.cc.
//
// MUST: a context refuses everything from the first moment until all is in place.
#include "backend_tls.h"

#include "../core/clock.h"
#include "backend_tls_impl.h"
#include "handshake_failure.h"

namespace proxymap {

namespace {

Tls_time real_time()
{
    return {monotonic_us() / 1000, std::time(nullptr)};
}

} // namespace

Backend_tls::Backend_tls(Tls_policy policy, Policy_files files, Clock clock)
    : impl_(std::make_unique<Impl>(this, std::move(policy), std::move(files),
                                   clock ? std::move(clock) : real_time))
{
}

Backend_tls::~Backend_tls()
{
    for (const auto &context : impl_->contexts)
        Impl::hang_on(context->reference.get(), nullptr);
}

Result<Done> Backend_tls::Impl::parse()
{
    if (!material) {
        material.emplace(parse_policy_files(policy, files));
        const Policy_files spent = std::exchange(files, {}); // overwrites the key's bytes
    }
    if (!*material)
        return material->error();
    return Done{};
}

Result<Done> Backend_tls::Impl::take_over(SSL_CTX *context)
{
    if (Result<Done> done = parse(); !done)
        return done.error();
    if (Result<Done> done = use_policy_material(context, policy, **material); !done)
        return done.error();
    SSL_CTX_set_options(context, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION);
    // The chain of the policy's certificate is what its file says.
    SSL_CTX_set_mode(context, SSL_MODE_NO_AUTO_CHAIN);
    if (is_resuming()) {
        SSL_CTX_clear_options(context, SSL_OP_NO_TICKET);
        SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
        SSL_CTX_sess_set_new_cb(context, on_new_session);
    } else {
        SSL_CTX_set_options(context, SSL_OP_NO_TICKET);
        SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    }
    return Done{};
}

Result<Done> Backend_tls::set_up(SSL_CTX *context, Finder finder)
{
    const Own_openssl_errors own_errors;
    if (Impl::Context *known = Impl::context_of(context)) {
        if (known->impl != impl_.get())
            return Error{"tls_policy " + policy().name +
                         ": the TLS context belongs to tls_policy " + known->impl->policy.name};
        if (known->error)
            return *known->error;
        return Done{};
    }
    if (SSL_CTX_up_ref(context) != 1)
        return Error{"tls_policy " + policy().name + ": " + Own_openssl_errors::newest()};

    auto &own = *impl_->contexts.emplace_back(std::make_unique<Impl::Context>());
    own.reference.reset(context);
    own.impl = impl_.get();
    own.finder = std::move(finder);
    own.stock_security = SSL_CTX_get_security_callback(context);
    own.stock_security_data = SSL_CTX_get0_security_ex_data(context);
    // The callbacks first: until the rest is done they refuse everything.
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER, keep_verdict);
    SSL_CTX_set_cert_verify_callback(context, Impl::on_verify, nullptr);
    SSL_CTX_set_security_callback(context, Impl::on_security);
    SSL_CTX_set_cert_cb(context, Impl::on_certificate_asked, nullptr);
    SSL_CTX_set_msg_callback(context, Impl::on_message);
    if (!Impl::hang_on(context, &own))
        own.error = Error{"tls_policy " + policy().name + ": " + Own_openssl_errors::newest()};
    else if (Result<Done> done = impl_->take_over(context); !done)
        own.error = done.error();
    if (own.error)
        return *own.error;
    own.is_ready = true;
    return Done{};
}

const Tls_policy &Backend_tls::policy() const
{
    return impl_->policy;
}

bool Backend_tls::finish(SSL *ssl, Backend_handshake *handshake)
{
    const Impl::Context *context = Impl::context_of(ssl);
    const Connection *connection = connection_of(ssl);
    handshake->protocol = SSL_get_version(ssl);
    handshake->resumed = SSL_session_reused(ssl) == 1;
    handshake->duration_us = handshake->begun ? monotonic_us() - handshake->begun_at_us : 0;
    handshake->verified = context != nullptr && context->impl == impl_.get() && context->is_ready &&
                          handshake->begun && handshake->policy == this &&
                          SSL_is_init_finished(ssl) == 1 && connection != nullptr &&
                          connection->is_proven(ssl) && handshake->failure.empty();
    if (!handshake->verified && handshake->failure.empty())
        handshake->failure =
            handshake_failure(impl_->policy, *handshake, "the policy was not applied to it");
    return handshake->verified;
}

std::string Backend_tls::fail(Backend_handshake *handshake, std::string_view error)
{
    handshake->verified = false;
    if (handshake->begun && handshake->duration_us == 0)
        handshake->duration_us = monotonic_us() - handshake->begun_at_us;
    if (handshake->session_offered)
        impl_->sessions.refuse(destination_of(*handshake), impl_->clock());
    if (!handshake->failure.empty())
        return handshake->failure;
    return explain_handshake_failure(impl_->policy, *handshake, error);
}

std::size_t Backend_tls::session_count() const
{
    return impl_->sessions.size();
}

} // namespace proxymap
