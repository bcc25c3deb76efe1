// A TLS policy in force: handshakes with backends that are what they say, and with those that are
// not.
#include "login-proxy-ext/backend_tls.h"

#include "login-proxy-ext/peer_report.h"
#include "tls_peers.h"

#include <algorithm>
#include <memory>

#include <CppUTest/TestHarness.h>

using namespace proxymap;

namespace {

bool contains(const std::string &text, std::string_view part)
{
    return text.find(part) != std::string::npos;
}

// A policy, a context of Dovecot's under it, and a clock that the test sets.
struct Proxy {
    explicit Proxy(const Tls_policy &policy, Policy_files files)
        : tls(policy, std::move(files), [this] { return now; }), client(make_client())
    {
        const Result<Done> done = tls.set_up(client.get(), find_by_app_data());
        CHECK_TEXT(done.ok(), done.ok() ? "" : done.error().message.c_str());
    }

    Meeting meet(const Ssl_ctx_ptr &server, const Meeting_wish &wish = {})
    {
        return proxymap::meet(tls, client.get(), server.get(), wish);
    }

    Tls_time now{1'000'000, std::time(nullptr)};
    Backend_tls tls;
    Ssl_ctx_ptr client;
};

void check_admitted(const Meeting &meeting)
{
    CHECK_TEXT(meeting.connected, (meeting.error + " " + meeting.handshake.failure).c_str());
    CHECK_TEXT(meeting.handshake.verified, meeting.handshake.failure.c_str());
    STRCMP_EQUAL("secret", meeting.sent_to.c_str());
    STRCMP_EQUAL("", meeting.handshake.failure.c_str());
}

void check_refused(const Meeting &meeting)
{
    CHECK(!meeting.connected);
    CHECK(!meeting.handshake.verified);
    STRCMP_EQUAL("", meeting.sent_to.c_str());
}

void check_refused(const Meeting &meeting, std::string_view reason)
{
    check_refused(meeting);
    CHECK_TEXT(contains(meeting.handshake.failure, reason), meeting.handshake.failure.c_str());
    CHECK_TEXT(meeting.handshake.failure.starts_with("tls_policy strict: no TLS with "),
               meeting.handshake.failure.c_str());
}

} // namespace

TEST_GROUP(backend_tls)
{
    Identity ca = make_identity({.common_name = "Our CA", .is_ca = true});
    Identity other_ca = make_identity({.common_name = "Other CA", .is_ca = true});
    Identity b1 = make_identity(
        {.common_name = "b1", .names = "DNS:b1.example.com,IP:192.0.2.1", .issuer = &ca});

    Tls_policy policy;
    Policy_files files;

    void setup() override
    {
        policy.name = "strict";
        policy.ca_file = "/etc/ca.pem";
        files.ca = to_pem(ca);
    }

    void pin_alone(std::initializer_list<const Identity *> identities)
    {
        policy.ca_file = "";
        files.ca = "";
        pin(identities);
    }

    void pin(std::initializer_list<const Identity *> identities)
    {
        for (const Identity *identity : identities)
            policy.pins.push_back(*spki_pin(identity->certificate.get()));
    }

    Meeting meet(const Ssl_ctx_ptr &server, const Meeting_wish &wish = {})
    {
        return Proxy(policy, files).meet(server, wish);
    }

    Ssl_ctx_ptr server_of(Identity_wish wish)
    {
        const Identity identity = make_identity(wish);
        return make_server(identity);
    }
};

// --- certificates ---

TEST(backend_tls, a_certificate_of_the_ca_with_the_name_is_taken)
{
    const Meeting meeting = meet(make_server(b1));
    check_admitted(meeting);
    STRCMP_EQUAL("TLSv1.3", meeting.handshake.protocol.c_str());
    CHECK(meeting.handshake.begun);
    CHECK(!meeting.handshake.resumed);
    STRCMP_EQUAL("b1.example.com", meeting.asked_for.c_str());
}

TEST(backend_tls, a_certificate_of_another_ca_is_refused)
{
    const Meeting meeting =
        meet(server_of({.common_name = "b1", .names = "DNS:b1.example.com", .issuer = &other_ca}));
    check_refused(meeting, "unable to get local issuer certificate");
    check_refused(meeting, "signed by a CA of /etc/ca.pem, named b1.example.com");
    check_refused(meeting, "issuer \"CN=Other CA\"");
}

TEST(backend_tls, a_ca_of_the_same_name_with_another_key_is_refused)
{
    const Identity twin = make_identity({.common_name = "Our CA", .is_ca = true});
    check_refused(
        meet(server_of({.common_name = "b1", .names = "DNS:b1.example.com", .issuer = &twin})),
        "expected one signed by a CA");
}

TEST(backend_tls, a_self_signed_certificate_is_refused)
{
    check_refused(meet(server_of({.common_name = "b1", .names = "DNS:b1.example.com"})),
                  "self-signed certificate");
}

TEST(backend_tls, an_expired_certificate_is_refused_with_its_dates)
{
    const Meeting meeting = meet(server_of({.common_name = "b1",
                                            .names = "DNS:b1.example.com",
                                            .issuer = &ca,
                                            .from = -10 * day,
                                            .to = -5 * day}));
    check_refused(meeting, "certificate has expired");
    CHECK(contains(meeting.handshake.failure, ", valid 20"));
}

TEST(backend_tls, a_certificate_of_tomorrow_is_refused)
{
    check_refused(meet(server_of({.common_name = "b1",
                                  .names = "DNS:b1.example.com",
                                  .issuer = &ca,
                                  .from = day / 2,
                                  .to = 5 * day})),
                  "certificate is not yet valid");
}

TEST(backend_tls, an_expired_ca_in_between_is_named)
{
    const Identity between = make_identity({.common_name = "Between",
                                            .issuer = &ca,
                                            .is_ca = true,
                                            .from = -10 * day,
                                            .to = -5 * day});
    const Identity leaf =
        make_identity({.common_name = "b1", .names = "DNS:b1.example.com", .issuer = &between});
    check_refused(meet(make_server(leaf, {&between})),
                  "certificate has expired (of the CA \"CN=Between\"");
}

TEST(backend_tls, another_name_is_refused)
{
    const Meeting meeting =
        meet(server_of({.common_name = "b2",
                        .names = "DNS:b2.example.com,DNS:imap.example.com,IP:192.0.2.2",
                        .issuer = &ca}));
    check_refused(meeting, "hostname mismatch");
    check_refused(meeting, "names b2.example.com imap.example.com 192.0.2.2");
}

TEST(backend_tls, a_subdomain_and_a_partial_wildcard_are_other_names)
{
    check_refused(meet(make_server(b1), {.host = "example.com"}), "hostname mismatch");
    check_refused(meet(make_server(b1), {.host = ".example.com"}), "no name");
    check_refused(
        meet(server_of({.common_name = "x", .names = "DNS:b*.example.com", .issuer = &ca})),
        "hostname mismatch");
    check_admitted(
        meet(server_of({.common_name = "x", .names = "DNS:*.example.com", .issuer = &ca})));
}

TEST(backend_tls, a_client_certificate_is_none_for_a_backend)
{
    check_refused(meet(server_of({.common_name = "b1",
                                  .names = "DNS:b1.example.com",
                                  .issuer = &ca,
                                  .purpose = "clientAuth"})),
                  "purpose");
}

TEST(backend_tls, a_leaf_cannot_sign)
{
    const Identity forged =
        make_identity({.common_name = "b2", .names = "DNS:b2.example.com", .issuer = &b1});
    check_refused(meet(make_server(forged, {&b1}), {.host = "b2.example.com"}),
                  "invalid CA certificate");
}

TEST(backend_tls, an_intermediate_ca_can_be_the_one_that_is_trusted)
{
    const Identity between =
        make_identity({.common_name = "Between", .issuer = &other_ca, .is_ca = true});
    const Identity leaf =
        make_identity({.common_name = "b1", .names = "DNS:b1.example.com", .issuer = &between});
    files.ca = to_pem(between);
    check_admitted(meet(make_server(leaf)));
}

TEST(backend_tls, the_second_ca_of_the_file_counts_too)
{
    files.ca = to_pem(other_ca) + to_pem(ca);
    check_admitted(meet(make_server(b1)));
}

TEST(backend_tls, verify_name_stands_for_the_host)
{
    policy.verify_name = "imap.example.org";
    const Ssl_ctx_ptr right =
        server_of({.common_name = "x", .names = "DNS:imap.example.org", .issuer = &ca});
    const Meeting meeting = meet(right);
    check_admitted(meeting);
    STRCMP_EQUAL("imap.example.org", meeting.asked_for.c_str());
    check_admitted(meet(right, {.host = "192.0.2.77"}));
    check_refused(meet(make_server(b1)), "named imap.example.org");
}

TEST(backend_tls, verify_name_can_be_an_address)
{
    policy.verify_name = "192.0.2.1";
    const Meeting meeting = meet(make_server(b1), {.host = "somewhere.example.com"});
    check_admitted(meeting);
    STRCMP_EQUAL("", meeting.asked_for.c_str());
}

TEST(backend_tls, sni_stands_apart_from_what_is_verified)
{
    policy.sni = "other.example.net";
    const Meeting meeting = meet(make_server(b1));
    check_admitted(meeting);
    STRCMP_EQUAL("other.example.net", meeting.asked_for.c_str());
}

TEST(backend_tls, an_address_needs_an_address_in_the_certificate_and_is_not_sent)
{
    const Meeting meeting = meet(make_server(b1), {.host = "192.0.2.1"});
    check_admitted(meeting);
    STRCMP_EQUAL("", meeting.asked_for.c_str());
    check_refused(meet(make_server(b1), {.host = "192.0.2.9"}), "IP address mismatch");
    // A name that looks like the address is none.
    check_refused(
        meet(server_of({.common_name = "192.0.2.9", .names = "DNS:192.0.2.9", .issuer = &ca}),
             {.host = "192.0.2.9"}),
        "IP address mismatch");
    const Ssl_ctx_ptr six =
        server_of({.common_name = "x", .names = "IP:2001:db8::1", .issuer = &ca});
    check_admitted(meet(six, {.host = "2001:db8:0::1"}));
}

TEST(backend_tls, the_final_dot_of_a_host_is_no_part_of_its_name)
{
    check_admitted(meet(make_server(b1), {.host = "b1.example.com."}));
}

TEST(backend_tls, a_failure_is_printable_and_bounded_whatever_the_certificate_says)
{
    std::string names = "DNS:b2.example.com";
    for (int i = 0; i < 300; i++)
        names += ",DNS:" + std::string(60, 'x') + std::to_string(i) + ".example.com";
    const Meeting meeting = meet(server_of(
        {.common_name = "evil\r\nimap-login: Info: \x1b[2J\x07", .names = names, .issuer = &ca}));
    check_refused(meeting, "hostname mismatch");
    const std::string &failure = meeting.handshake.failure;
    CHECK_TEXT(
        std::all_of(failure.begin(), failure.end(), [](char c) { return c >= ' ' && c <= '~'; }),
        failure.c_str());
    CHECK(failure.size() <= 3072);
}

// --- pins ---

TEST(backend_tls, a_pin_is_demanded_on_top_of_the_ca)
{
    pin({&b1});
    check_admitted(meet(make_server(b1)));
    const Meeting meeting =
        meet(server_of({.common_name = "b1", .names = "DNS:b1.example.com", .issuer = &ca}));
    check_refused(meeting, "its key is none of the pins");
    check_refused(meeting, "with the pin " + format_pin(policy.pins[0]));
}

TEST(backend_tls, the_failure_shows_the_pin_that_came)
{
    const Identity fresh = make_identity({.common_name = "b1"});
    pin_alone({&b1});
    check_refused(meet(make_server(fresh)),
                  "pin " + format_pin(*spki_pin(fresh.certificate.get())));
}

TEST(backend_tls, a_pin_does_not_replace_the_ca)
{
    const Identity elsewhere =
        make_identity({.common_name = "b1", .names = "DNS:b1.example.com", .issuer = &other_ca});
    pin({&elsewhere});
    check_refused(meet(make_server(elsewhere)), "unable to get local issuer certificate");
}

TEST(backend_tls, each_of_several_pins_will_do)
{
    const Identity next =
        make_identity({.common_name = "b1", .names = "DNS:b1.example.com", .issuer = &ca});
    pin({&b1, &next});
    check_admitted(meet(make_server(b1)));
    check_admitted(meet(make_server(next)));
}

TEST(backend_tls, a_pin_alone_takes_a_self_signed_and_expired_certificate_with_any_name)
{
    const Identity self = make_identity({.common_name = "x", .from = -9 * day, .to = -day});
    pin_alone({&self});
    check_admitted(meet(make_server(self)));
    check_refused(meet(make_server(b1)), "its key is none of the pins");
}

TEST(backend_tls, a_pin_with_verify_name_demands_the_name)
{
    const Identity self = make_identity({.common_name = "x", .names = "DNS:x.example.com"});
    pin_alone({&self});
    policy.verify_name = "x.example.com";
    check_admitted(meet(make_server(self)));
    policy.verify_name = "y.example.com";
    check_refused(meet(make_server(self)), "it has another name");
    policy.verify_name = "192.0.2.1";
    check_refused(meet(make_server(self)), "it has another name");
}

TEST(backend_tls, a_pinned_certificate_that_is_merely_sent_along_does_not_count)
{
    const Identity pinned = make_identity({.common_name = "x", .is_ca = true});
    const Identity mallory = make_identity({.common_name = "m", .issuer = &other_ca});
    pin_alone({&pinned});
    check_refused(meet(make_server(mallory, {&pinned})), "its key is none of the pins");
}

TEST(backend_tls, the_pin_of_the_ca_does_not_pin_what_it_signs)
{
    pin({&ca});
    check_refused(meet(make_server(b1, {&ca})), "its key is none of the pins");
}

TEST(backend_tls, a_policy_that_trusts_nothing_refuses_all)
{
    pin_alone({});
    check_refused(meet(make_server(b1)), "trusts nothing");
}

TEST(backend_tls, any_cert_takes_any_certificate_and_never_resumes)
{
    policy.any_cert = true;
    policy.ca_file = "";
    files.ca = "";
    Proxy proxy(policy, files);
    const Ssl_ctx_ptr server = server_of({.common_name = "x", .from = -9 * day, .to = -day});
    for (int i = 0; i < 3; i++) {
        const Meeting meeting = proxy.meet(server);
        check_admitted(meeting);
        CHECK(!meeting.handshake.resumed);
    }
    UNSIGNED_LONGS_EQUAL(0, proxy.tls.session_count());
}

// --- revocation ---

TEST(backend_tls, a_revoked_certificate_is_refused)
{
    policy.crl_file = "/etc/crl.pem";
    files.crl = make_crl(ca, {&b1});
    check_refused(meet(make_server(b1)), "certificate revoked");
}

TEST(backend_tls, a_certificate_that_is_not_on_the_list_is_taken)
{
    policy.crl_file = "/etc/crl.pem";
    const Identity gone = make_identity({.common_name = "gone", .issuer = &ca});
    files.crl = make_crl(ca, {&gone});
    check_admitted(meet(make_server(b1)));
}

TEST(backend_tls, a_ca_of_the_chain_without_a_list_is_refused)
{
    policy.crl_file = "/etc/crl.pem";
    files.crl = make_crl(other_ca, {});
    check_refused(meet(make_server(b1)), "unable to get certificate CRL");

    const Identity between = make_identity({.common_name = "B", .issuer = &ca, .is_ca = true});
    const Identity leaf =
        make_identity({.common_name = "b1", .names = "DNS:b1.example.com", .issuer = &between});
    files.crl = make_crl(ca, {});
    check_refused(meet(make_server(leaf, {&between})), "unable to get certificate CRL");
    files.crl += make_crl(between, {});
    check_admitted(meet(make_server(leaf, {&between})));
    files.crl = make_crl(ca, {&between}) + make_crl(between, {});
    check_refused(meet(make_server(leaf, {&between})), "certificate revoked");
}

TEST(backend_tls, an_overdue_list_is_refused)
{
    policy.crl_file = "/etc/crl.pem";
    files.crl = make_crl(ca, {}, -day);
    check_refused(meet(make_server(b1)), "CRL has expired");
}

// --- client certificates ---

TEST(backend_tls, a_client_certificate_is_shown_to_a_backend_that_demands_it)
{
    const Identity proxy = make_identity({.common_name = "proxy", .issuer = &ca});
    policy.certificate_file = "/etc/proxy.pem";
    policy.key_file = "/etc/proxy.key";
    files.certificate = to_pem(proxy);
    files.key = key_to_pem(proxy);
    for (int newest : {TLS1_2_VERSION, TLS1_3_VERSION}) {
        const Ssl_ctx_ptr server = make_server(b1);
        SSL_CTX_set_max_proto_version(server.get(), newest);
        demand_client_certificate(server.get(), ca);
        const Meeting meeting = meet(server);
        check_admitted(meeting);
        STRCMP_EQUAL("CN=proxy", meeting.shown.c_str());
        CHECK(meeting.handshake.certificate_asked);
    }
    check_admitted(meet(make_server(b1))); // and nothing is asked
}

TEST(backend_tls, a_demanded_client_certificate_that_the_policy_has_not_is_named_as_the_cause)
{
    for (int newest : {TLS1_2_VERSION, TLS1_3_VERSION}) {
        const Ssl_ctx_ptr server = make_server(b1);
        SSL_CTX_set_max_proto_version(server.get(), newest);
        demand_client_certificate(server.get(), ca);
        Proxy proxy(policy, files);
        Meeting meeting = proxy.meet(server);
        STRCMP_EQUAL("", meeting.sent_to.c_str());
        CHECK(meeting.handshake.alert >= 0);
        const std::string sentence = proxy.tls.fail(&meeting.handshake, meeting.error);
        CHECK_TEXT(contains(sentence, "it asked for a client certificate, and the policy names "
                                      "none (certificate, key)"),
                   sentence.c_str());
        CHECK_TEXT(contains(sentence, "the backend sent the alert \""), sentence.c_str());
        CHECK(!meeting.handshake.verified);
    }
}

TEST(backend_tls, a_client_certificate_of_dovecots_own_is_never_shown)
{
    const Identity dovecot = make_identity({.common_name = "dovecot", .issuer = &ca});
    const Ssl_ctx_ptr server = make_server(b1);
    demand_client_certificate(server.get(), ca);
    const Meeting meeting = meet(server, {.before = [&](SSL *ssl) {
                                     SSL_use_certificate(ssl, dovecot.certificate.get());
                                     SSL_use_PrivateKey(ssl, dovecot.key.get());
                                 }});
    STRCMP_EQUAL("", meeting.shown.c_str());
    STRCMP_EQUAL("", meeting.sent_to.c_str());
}

TEST(backend_tls, a_backend_that_asks_for_certificates_is_not_resumed)
{
    const Identity own = make_identity({.common_name = "proxy", .issuer = &ca});
    policy.certificate_file = "/etc/proxy.pem";
    policy.key_file = "/etc/proxy.key";
    files.certificate = to_pem(own);
    files.key = key_to_pem(own);
    Proxy proxy(policy, files);
    const Ssl_ctx_ptr server = make_server(b1);
    demand_client_certificate(server.get(), ca);
    SSL_CTX_set_session_id_context(server.get(), nullptr, 0); // as every Dovecot so far
    for (int i = 0; i < 3; i++)
        check_admitted(proxy.meet(server));
    UNSIGNED_LONGS_EQUAL(0, proxy.tls.session_count());
}

// --- protocols and ciphers ---

TEST(backend_tls, an_older_protocol_than_min_protocol_is_refused)
{
    policy.min_protocol = "TLSv1.3";
    const Ssl_ctx_ptr server = make_server(b1);
    SSL_CTX_set_max_proto_version(server.get(), TLS1_2_VERSION);
    Proxy proxy(policy, files);
    Meeting meeting = proxy.meet(server);
    check_refused(meeting);
    const std::string sentence = proxy.tls.fail(&meeting.handshake, meeting.error);
    CHECK_TEXT(contains(sentence, "spoken is TLSv1.3 or newer (min_protocol)"), sentence.c_str());
    CHECK_TEXT(contains(sentence, "protocol version"), sentence.c_str());
}

TEST(backend_tls, a_stricter_min_protocol_of_dovecots_stays)
{
    const Ssl_ctx_ptr server = make_server(b1);
    SSL_CTX_set_max_proto_version(server.get(), TLS1_2_VERSION);
    check_admitted(meet(server));
    check_refused(
        meet(server, {.before = [](SSL *ssl) { SSL_set_min_proto_version(ssl, TLS1_3_VERSION); }}));
}

TEST(backend_tls, tls_1_1_is_refused_even_where_dovecot_would_take_it)
{
    const Ssl_ctx_ptr server = make_server(b1);
    SSL_CTX_set_cipher_list(server.get(), "ALL:@SECLEVEL=0");
    SSL_CTX_set_min_proto_version(server.get(), TLS1_VERSION);
    SSL_CTX_set_max_proto_version(server.get(), TLS1_1_VERSION);
    check_refused(meet(server, {.before = [](SSL *ssl) { SSL_set_security_level(ssl, 0); }}));
}

TEST(backend_tls, the_ciphers_of_the_policy_are_spoken)
{
    policy.ciphers = "ECDHE-ECDSA-AES256-GCM-SHA384:!aNULL:!eNULL";
    const Ssl_ctx_ptr server = make_server(b1);
    SSL_CTX_set_max_proto_version(server.get(), TLS1_2_VERSION);
    SSL_CTX_set_cipher_list(server.get(), "ECDHE-ECDSA-AES256-GCM-SHA384");
    check_admitted(meet(server));
    SSL_CTX_set_cipher_list(server.get(), "ECDHE-ECDSA-AES128-GCM-SHA256");
    check_refused(meet(server));
}

TEST(backend_tls, a_server_without_certificate_is_refused)
{
    // Both sides would agree on an anonymous cipher without the policy.
    const Ssl_ctx_ptr server(SSL_CTX_new(TLS_server_method()));
    SSL_CTX_set_max_proto_version(server.get(), TLS1_2_VERSION);
    SSL_CTX_set_cipher_list(server.get(), "aNULL:@SECLEVEL=0");
    SSL_CTX_set_dh_auto(server.get(), 1);
    const auto anonymous = [](SSL *ssl) {
        SSL_set_security_level(ssl, 0);
        SSL_set_cipher_list(ssl, "aNULL:ALL:@SECLEVEL=0");
    };
    const Ssl_ctx_ptr plain = make_client();
    const Ssl_ptr client(SSL_new(plain.get()));
    anonymous(client.get());
    CHECK(SSL_get_ciphers(client.get()) != nullptr);
    check_refused(meet(server, {.before = anonymous}));
    policy.any_cert = true;
    check_refused(meet(server, {.before = anonymous}));
}

// The pin alone, so that no chain is checked by that level.
TEST(backend_tls, the_stock_security_level_still_holds)
{
    pin_alone({&b1});
    const Ssl_ctx_ptr server = make_server(b1);
    SSL_CTX_set_ciphersuites(server.get(), "TLS_AES_128_GCM_SHA256");
    for (const auto &[level, is_weak_enough] : {std::pair(2, true), std::pair(4, false)}) {
        const Meeting meeting = meet(
            server, {.before = [level = level](SSL *ssl) { SSL_set_security_level(ssl, level); }});
        if (is_weak_enough)
            check_admitted(meeting);
        else
            check_refused(meeting);
    }
}

// --- resuming ---

TEST(backend_tls, a_verified_session_is_resumed)
{
    for (int newest : {TLS1_2_VERSION, TLS1_3_VERSION}) {
        Proxy proxy(policy, files);
        const Ssl_ctx_ptr server = make_server(b1);
        SSL_CTX_set_max_proto_version(server.get(), newest);
        CHECK(!proxy.meet(server).handshake.resumed);
        for (int i = 0; i < 3; i++) {
            const Meeting meeting = proxy.meet(server);
            check_admitted(meeting);
            CHECK(meeting.handshake.session_offered);
            CHECK(meeting.handshake.resumed);
        }
    }
}

TEST(backend_tls, a_session_is_resumed_although_connections_end_without_close_notify)
{
    for (int newest : {TLS1_2_VERSION, TLS1_3_VERSION}) {
        Proxy proxy(policy, files);
        const Ssl_ctx_ptr server = make_server(b1);
        SSL_CTX_set_max_proto_version(server.get(), newest);
        const Meeting_wish wish = {.end = [](SSL *, SSL *) {}};
        CHECK(!proxy.meet(server, wish).handshake.resumed);
        for (int i = 0; i < 5; i++)
            CHECK(proxy.meet(server, wish).handshake.resumed);
    }
}

TEST(backend_tls, a_fatal_alert_ends_the_sessions_of_the_backend)
{
    for (int newest : {TLS1_2_VERSION, TLS1_3_VERSION}) {
        Proxy proxy(policy, files);
        const Ssl_ctx_ptr server = make_server(b1);
        SSL_CTX_set_max_proto_version(server.get(), newest);
        proxy.meet(server, {.end = [](SSL *client, SSL *backend) {
                       char byte;
                       BIO_write(SSL_get_wbio(backend), "no record of TLS", 16);
                       CHECK(SSL_read(client, &byte, 1) < 0);
                   }});
        CHECK(!proxy.meet(server).handshake.session_offered);
        CHECK(proxy.meet(server).handshake.resumed);
    }
}

TEST(backend_tls, tickets_are_kept_although_the_handshake_object_is_gone)
{
    Proxy proxy(policy, files);
    const Ssl_ctx_ptr server = make_server(b1);
    check_admitted(proxy.meet(server, {.forget = true}));
    CHECK(proxy.meet(server).handshake.resumed);
}

TEST(backend_tls, a_bad_certificate_is_never_admitted_however_often_it_comes)
{
    const Identity bad =
        make_identity({.common_name = "b1", .names = "DNS:b1.example.com", .issuer = &other_ca});
    for (int newest : {TLS1_2_VERSION, TLS1_3_VERSION}) {
        Proxy proxy(policy, files);
        const Ssl_ctx_ptr server = make_server(bad);
        SSL_CTX_set_max_proto_version(server.get(), newest);
        for (int i = 0; i < 3; i++) {
            const Meeting meeting = proxy.meet(server);
            check_refused(meeting, "unable to get local issuer certificate");
            CHECK(!meeting.handshake.session_offered);
        }
        UNSIGNED_LONGS_EQUAL(0, proxy.tls.session_count());
    }
}

TEST(backend_tls, a_wrong_pin_is_never_admitted_however_often_it_comes)
{
    const Identity fresh = make_identity({.common_name = "b1"});
    pin_alone({&b1});
    Proxy proxy(policy, files);
    const Ssl_ctx_ptr server = make_server(fresh);
    for (int i = 0; i < 3; i++)
        check_refused(proxy.meet(server), "none of the pins");
    UNSIGNED_LONGS_EQUAL(0, proxy.tls.session_count());
}

// The backend was taken over: it knows no ticket key, so it must show a certificate.
TEST(backend_tls, an_impostor_at_a_resumable_address_is_refused)
{
    Proxy proxy(policy, files);
    check_admitted(proxy.meet(make_server(b1)));
    const Identity bad =
        make_identity({.common_name = "b1", .names = "DNS:b1.example.com", .issuer = &other_ca});
    Meeting meeting = proxy.meet(make_server(bad));
    CHECK(meeting.handshake.session_offered);
    check_refused(meeting, "unable to get local issuer certificate");
    proxy.tls.fail(&meeting.handshake, meeting.error);
    UNSIGNED_LONGS_EQUAL(0, proxy.tls.session_count());
}

TEST(backend_tls, a_session_is_for_its_host_and_address_alone)
{
    Proxy proxy(policy, files);
    const Ssl_ctx_ptr server = make_server(b1);
    check_admitted(proxy.meet(server));
    CHECK(!proxy.meet(server, {.address = "192.0.2.2:993"}).handshake.session_offered);
    check_refused(proxy.meet(server, {.host = "b2.example.com"}), "hostname mismatch");
    CHECK(!proxy.meet(server, {.host = "192.0.2.1"}).handshake.session_offered);
    CHECK(proxy.meet(server).handshake.resumed);
}

TEST(backend_tls, a_session_is_for_its_policy_alone)
{
    Proxy lax(policy, files);
    const Ssl_ctx_ptr server = make_server(b1);
    check_admitted(lax.meet(server));
    CHECK(lax.tls.session_count() > 0);

    pin({&other_ca});
    Proxy strict(policy, files);
    const Meeting meeting = strict.meet(server);
    CHECK(!meeting.handshake.session_offered);
    check_refused(meeting, "none of the pins");
}

TEST(backend_tls, without_an_address_nothing_is_kept)
{
    Proxy proxy(policy, files);
    check_admitted(proxy.meet(make_server(b1), {.address = ""}));
    UNSIGNED_LONGS_EQUAL(0, proxy.tls.session_count());
}

TEST(backend_tls, resuming_makes_no_session_younger)
{
    policy.resume_max_age = 10'000;
    Proxy proxy(policy, files);
    const Ssl_ctx_ptr server = make_server(b1);
    check_admitted(proxy.meet(server));
    proxy.now.monotonic_ms += 6'000;
    CHECK(proxy.meet(server).handshake.resumed);
    proxy.now.monotonic_ms += 6'000;
    const Meeting meeting = proxy.meet(server);
    check_admitted(meeting);
    CHECK(!meeting.handshake.session_offered);
}

TEST(backend_tls, a_session_does_not_outlive_its_certificate)
{
    Proxy proxy(policy, files);
    const Ssl_ctx_ptr server = make_server(b1);
    check_admitted(proxy.meet(server));
    proxy.now.wall += 2 * day;
    CHECK(!proxy.meet(server).handshake.session_offered);
}

TEST(backend_tls, a_session_does_not_outlive_the_revocation_list)
{
    policy.crl_file = "/etc/crl.pem";
    files.crl = make_crl(ca, {}, 3600);
    Proxy proxy(policy, files);
    const Ssl_ctx_ptr server = make_server(b1);
    check_admitted(proxy.meet(server));
    CHECK(proxy.meet(server).handshake.resumed);
    proxy.now.wall += 3601;
    CHECK(!proxy.meet(server).handshake.session_offered);
}

TEST(backend_tls, resume_sessions_off_resumes_nothing)
{
    policy.resume_sessions = false;
    for (int newest : {TLS1_2_VERSION, TLS1_3_VERSION}) {
        Proxy proxy(policy, files);
        const Ssl_ctx_ptr server = make_server(b1);
        SSL_CTX_set_max_proto_version(server.get(), newest);
        for (int i = 0; i < 2; i++)
            CHECK(!proxy.meet(server).handshake.resumed);
        UNSIGNED_LONGS_EQUAL(0, proxy.tls.session_count());
    }
}

TEST(backend_tls, after_a_failure_with_an_offer_the_destination_is_left_alone_for_a_while)
{
    policy.resume_max_age = 10'000;
    Proxy proxy(policy, files);
    const Ssl_ctx_ptr server = make_server(b1);
    SSL_CTX_set_session_id_context(server.get(), nullptr, 0);
    check_admitted(proxy.meet(server));
    // It asked for no certificate before; since it does, it fails hard on the session.
    SSL_CTX_set_verify(server.get(), SSL_VERIFY_PEER, nullptr);
    Meeting failed = proxy.meet(server);
    CHECK(failed.handshake.session_offered);
    CHECK(!failed.connected);
    const std::string sentence = proxy.tls.fail(&failed.handshake, failed.error);
    CHECK_TEXT(contains(sentence, "offered to resume a session"), sentence.c_str());
    STRCMP_EQUAL("", failed.handshake.failure.c_str());

    SSL_CTX_set_verify(server.get(), SSL_VERIFY_NONE, nullptr);
    for (int i = 0; i < 2; i++) {
        const Meeting meeting = proxy.meet(server);
        check_admitted(meeting);
        CHECK(!meeting.handshake.session_offered);
    }
    proxy.now.monotonic_ms += 10'000;
    check_admitted(proxy.meet(server));
    CHECK(proxy.meet(server).handshake.resumed);
}

// --- failing closed ---

TEST(backend_tls, a_connection_that_nobody_knows_is_refused)
{
    Proxy proxy(policy, files);
    const Meeting meeting =
        proxy.meet(make_server(b1), {.before = [](SSL *ssl) { SSL_set_app_data(ssl, nullptr); }});
    check_refused(meeting);
    CHECK(!meeting.handshake.begun);
}

TEST(backend_tls, a_connection_under_another_policy_is_refused)
{
    Proxy one(policy, files);
    Proxy two(policy, files);
    const Ssl_ctx_ptr server = make_server(b1);
    const Meeting meeting = proxymap::meet(one.tls, two.client.get(), server.get());
    check_refused(meeting, "another policy");
}

TEST(backend_tls, a_context_of_another_policy_is_not_taken_over)
{
    Proxy one(policy, files);
    Backend_tls two(policy, files);
    const Result<Done> done = two.set_up(one.client.get(), find_by_app_data());
    CHECK(!done.ok());
    check_admitted(one.meet(make_server(b1)));
}

TEST(backend_tls, an_error_of_the_files_stays_and_the_context_refuses)
{
    files.ca = "nothing";
    Backend_tls tls(policy, files);
    const Ssl_ctx_ptr client = make_client();
    for (int i = 0; i < 2; i++) {
        const Result<Done> done = tls.set_up(client.get(), find_by_app_data());
        CHECK(!done.ok());
        STRCMP_EQUAL("tls_policy strict: ca_file: /etc/ca.pem holds no certificate in PEM",
                     done.error().message.c_str());
    }
    check_refused(proxymap::meet(tls, client.get(), make_server(b1).get()), "holds no certificate");
}

TEST(backend_tls, set_up_again_changes_nothing)
{
    Proxy proxy(policy, files);
    CHECK(proxy.tls.set_up(proxy.client.get(), find_by_app_data()).ok());
    check_admitted(proxy.meet(make_server(b1)));
}

TEST(backend_tls, several_contexts_share_a_policy_and_its_sessions)
{
    Proxy proxy(policy, files);
    const Ssl_ctx_ptr second = make_client();
    CHECK(proxy.tls.set_up(second.get(), find_by_app_data()).ok());
    const Ssl_ctx_ptr server = make_server(b1);
    check_admitted(proxy.meet(server));
    CHECK(proxymap::meet(proxy.tls, second.get(), server.get()).handshake.resumed);
}

TEST(backend_tls, a_context_that_outlives_its_policy_refuses)
{
    const Ssl_ctx_ptr client = make_client();
    auto gone = std::make_unique<Backend_tls>(policy, files);
    CHECK(gone->set_up(client.get(), find_by_app_data()).ok());
    const Ssl_ptr early(SSL_new(client.get()));
    gone.reset();
    Backend_tls other(policy, files);
    check_refused(proxymap::meet(other, client.get(), make_server(b1).get()));
    CHECK(SSL_connect(early.get()) != 1);
}

TEST(backend_tls, a_handshake_that_is_not_over_is_not_finished)
{
    Proxy proxy(policy, files);
    Backend_handshake handshake;
    handshake.policy = &proxy.tls;
    const Ssl_ptr ssl(SSL_new(proxy.client.get()));
    CHECK(!proxy.tls.finish(ssl.get(), &handshake));
    CHECK(!handshake.failure.empty());
}

TEST(backend_tls, the_queue_of_errors_is_left_as_it_was)
{
    ERR_clear_error();
    ERR_raise(ERR_LIB_USER, ERR_R_PASSED_NULL_PARAMETER);
    const unsigned long before = ERR_peek_last_error();
    files.ca += "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    Backend_tls tls(policy, files);
    const Ssl_ctx_ptr client = make_client();
    CHECK(!tls.set_up(client.get(), find_by_app_data()).ok());
    CHECK(ERR_peek_last_error() == before);
    ERR_clear_error();
}
