// What Dovecot is told: the merged fields, and what the proxy logs in with.
#include "resolving.h"

using namespace proxymap;

TEST_GROUP_BASE(route_fields, Resolving){
    void policy(const std::string &name){settings.tls_policies.emplace_back().name = name;
}
void pool(const std::string &name)
{
    settings.source_pools.emplace_back().name = name;
}
}
;

TEST(route_fields, a_service_beats_the_general_and_a_record_beats_its_backend)
{
    map.holds("backend b1 host=10.0.0.1 port=1 port.imap=2");
    map.holds("user john backend=b1");
    STRCMP_EQUAL("2", route().port.c_str());
    STRCMP_EQUAL("1", route("john", Service::pop3).port.c_str());
    map.holds("user john backend=b1 port=3");
    STRCMP_EQUAL("3", route().port.c_str());
    map.holds("user john backend=b1 port.imap=4 port=3");
    STRCMP_EQUAL("4", route().port.c_str());
    STRCMP_EQUAL("3", route("john", Service::pop3).port.c_str());
    map.holds("user john backend=b1 port.pop3=5");
    STRCMP_EQUAL("2", route().port.c_str());
}

TEST(route_fields, they_come_in_a_documented_order)
{
    settings.allow_fields = {Field_id::pass,        Field_id::allow_nets, Field_id::allow_real_nets,
                             Field_id::delay_until, Field_id::nologin,    Field_id::user};
    map.holds("user john user_a=1 event_b=2 forward_c=3 nologin=yes delay_until=17 "
              "allow_real_nets=10.0.0.0/8 allow_nets=10.0.0.0/8 user=jim reason=why source=out "
              "tls_policy=strict proxy_no_multiplex=yes proxy_redirect_reauth=yes proxy_noauth=yes "
              "proxy_not_trusted=yes proxy_nopipelining=yes proxy_host_immediate_failure_after=30s "
              "proxy_refresh=20s proxy_timeout=10s proxy_mech=PLAIN tls=ssl pass=secret master=m "
              "destuser=x protocol=lmtp port=993 hostip=10.0.0.1 host=b1");
    policy("strict");
    pool("out");
    STRCMP_EQUAL("host=b1 hostip=10.0.0.1 port=993 destuser=x master=m pass=secret ssl=yes "
                 "proxymap_mech=PLAIN proxy_timeout=10 proxy_refresh=20 "
                 "proxy_host_immediate_failure_after=30s proxy_nopipelining=y proxy_not_trusted=y "
                 "proxy_noauth=y proxy_redirect_reauth=y proxy_no_multiplex=y reason=why user=jim "
                 "allow_nets=10.0.0.0/8 allow_real_nets=10.0.0.0/8 delay_until=17 nologin=y "
                 "forward_c=3 event_b=2 user_a=1 proxy_mech=NEEDS-LOGIN-PROXY-EXT "
                 "proxymap_tls=strict proxymap_source=out",
                 fields().c_str());
}

TEST(route_fields, a_flag_that_is_no_is_not_sent_for_dovecot_would_take_it_as_yes)
{
    map.holds("backend b1 host=10.0.0.1 proxy_noauth=yes");
    map.holds("user john backend=b1 proxy_noauth=no proxy_not_trusted=no");
    STRCMP_EQUAL("host=10.0.0.1", fields().c_str());
}

TEST(route_fields, a_host_is_needed)
{
    map.holds("user john backend=b1 port=143");
    map.holds("backend b1 port=143");
    STRCMP_EQUAL("record user john with backend b1 names no host", why_unavailable().c_str());
    map.holds("user john port=143 host.pop3=10.0.0.1");
    STRCMP_EQUAL("record user john names no host", why_unavailable().c_str());
}

TEST(route_fields, the_backends_address_does_not_follow_a_host_of_the_records_own)
{
    map.holds("backend b1 host=b1.example hostip=10.0.0.1");
    map.holds("user john backend=b1 host=b2.example");
    STRCMP_EQUAL("host=b2.example", fields().c_str());
    map.holds("user john backend=b1 host=b2.example hostip=10.0.0.2");
    STRCMP_EQUAL("host=b2.example hostip=10.0.0.2", fields().c_str());
    map.holds("user john backend=b1 host.imap=b2.example");
    STRCMP_EQUAL("host=b2.example", fields().c_str());
    STRCMP_EQUAL("host=b1.example hostip=10.0.0.1", fields("john", Service::pop3).c_str());
}

TEST(route_fields, tls_becomes_what_dovecot_calls_it)
{
    const std::map<std::string, std::string> expected = {
        {"no", "host=b"},
        {"starttls", "host=b starttls=yes"},
        {"starttls-any-cert", "host=b starttls=any-cert"},
        {"ssl", "host=b ssl=yes"},
        {"ssl-any-cert", "host=b ssl=any-cert"},
    };
    for (const auto &[tls, result] : expected) {
        map.holds("user john host=b tls=" + tls);
        STRCMP_EQUAL(result.c_str(), fields().c_str());
        map.holds("user john host=b");
        settings.default_tls = tls;
        STRCMP_EQUAL(result.c_str(), fields().c_str());
    }
    settings.default_tls = "ssl";
    map.holds("user john host=b tls=no");
    STRCMP_EQUAL("host=b", fields().c_str());
}

TEST(route_fields, settings_fill_in_policy_and_source)
{
    for (const char *name : {"strict", "other"})
        policy(name);
    for (const char *name : {"out", "in"})
        pool(name);
    settings.default_tls = "ssl";
    settings.default_tls_policy = "strict";
    settings.default_source_pool = "out";
    map.holds("user john host=b");
    STRCMP_EQUAL("host=b ssl=yes proxy_mech=NEEDS-LOGIN-PROXY-EXT proxymap_tls=strict "
                 "proxymap_source=out",
                 fields().c_str());
    map.holds("user john host=b tls_policy=other source=in");
    STRCMP_EQUAL("host=b ssl=yes proxy_mech=NEEDS-LOGIN-PROXY-EXT proxymap_tls=other "
                 "proxymap_source=in",
                 fields().c_str());
}

TEST(route_fields, a_policy_or_pool_that_no_section_has_is_unavailable)
{
    policy("strict");
    pool("out");
    settings.path = "/etc/x";
    map.holds("user john host=b tls=ssl tls_policy=out");
    STRCMP_EQUAL("record user john asks for TLS policy out, but there is no section tls_policy "
                 "out { } in /etc/x",
                 why_unavailable().c_str());
    map.holds("user john host=b source=strict");
    STRCMP_EQUAL("record user john asks for source pool strict, but there is no section "
                 "source_pool strict { } in /etc/x",
                 why_unavailable().c_str());
}

TEST(route_fields, a_policy_that_requires_tls_gets_no_route_without)
{
    policy("strict");
    map.holds("user john host=b tls_policy=strict");
    STRCMP_EQUAL("record user john asks for TLS policy strict, which requires TLS, but has tls=no",
                 why_unavailable().c_str());
    settings.tls_policies[0].require = false;
    STRCMP_EQUAL("host=b proxy_mech=NEEDS-LOGIN-PROXY-EXT proxymap_tls=strict", fields().c_str());
}

TEST(route_fields, any_cert_needs_a_policy_that_says_so)
{
    policy("strict");
    map.holds("user john host=b tls=starttls-any-cert tls_policy=strict");
    STRCMP_EQUAL("record user john has tls=starttls-any-cert, but its TLS policy strict does not "
                 "say any_cert = yes",
                 why_unavailable().c_str());
    settings.tls_policies[0].any_cert = true;
    STRCMP_EQUAL("host=b starttls=any-cert proxy_mech=NEEDS-LOGIN-PROXY-EXT proxymap_tls=strict",
                 fields().c_str());
}

TEST(route_fields, lmtp_gets_no_field_of_the_login_plugin_but_the_route_keeps_its_pool)
{
    for (const char *name : {"out", "in"})
        pool(name);
    settings.default_source_pool = "out";
    map.holds("user john host=b source=in");
    STRCMP_EQUAL("host=b", fields("john", Service::lmtp).c_str());
    STRCMP_EQUAL("in", route("john", Service::lmtp).source_pool.c_str());
    STRCMP_EQUAL("", route().source_pool.c_str());
}

TEST(route_fields, lmtp_with_a_policy_that_it_cannot_enforce_is_unavailable)
{
    policy("strict");
    settings.tls_policies[0].ca_file = "/etc/ca.pem";
    map.holds("user john host=b tls=ssl tls_policy=strict");
    STRCMP_EQUAL("record user john asks for TLS policy strict, of which LMTP cannot enforce "
                 "ca_file: it has no login process",
                 why_unavailable("john", Service::lmtp).c_str());
    map.holds("user john host=b tls=ssl");
    settings.default_tls_policy = "strict";
    why_unavailable("john", Service::lmtp);
}

TEST(route_fields, lmtp_with_a_policy_that_asks_for_tls_alone_gets_it)
{
    policy("encrypted");
    settings.tls_policies[0].any_cert = true;
    map.holds("user john host=b tls=starttls-any-cert tls_policy=encrypted");
    STRCMP_EQUAL("host=b starttls=any-cert", fields("john", Service::lmtp).c_str());
    map.holds("user john host=b tls_policy=encrypted");
    why_unavailable("john", Service::lmtp);
}

TEST(route_fields, protocol_is_for_lmtp_alone)
{
    map.holds("user john host=b protocol=smtp");
    STRCMP_EQUAL("host=b", fields().c_str());
    STRCMP_EQUAL("host=b protocol=smtp", fields("john", Service::lmtp).c_str());
}

TEST(route_fields, destuser_and_families_expand_with_the_login_name)
{
    map.lacks(Kind::user, "joe@a");
    map.holds("domain a host=b destuser=%{username} forward_d=%{domain} event_s=%{service} "
              "user_u=%{user}");
    STRCMP_EQUAL("host=b destuser=joe forward_d=a event_s=imap user_u=joe@a",
                 fields("joe@a").c_str());
}

TEST(route_fields, a_destuser_that_expands_to_nothing_or_too_much_is_unavailable)
{
    map.lacks(Kind::user, "@a");
    map.holds("domain a host=b destuser=%{username}");
    STRCMP_EQUAL("record domain a has a destuser that expands to nothing for this login name",
                 why_unavailable("@a").c_str());
    const std::string name = std::string(510, 'x') + "@a";
    map.lacks(Kind::user, name);
    route(name);
    map.holds("domain a host=b destuser=x%{user}");
    CHECK(contains(why_unavailable(name), "expands to more than the 512 bytes"));
}

TEST(route_fields, a_family_field_that_expands_to_nothing_is_left_out)
{
    map.holds("user john host=b forward_d=%{domain} forward_u=%{user}");
    STRCMP_EQUAL("host=b forward_u=john", fields().c_str());
}

TEST(route_fields, the_records_member_of_a_family_beats_the_backends)
{
    map.holds("backend b1 host=b forward_a=1 forward_b=2 forward_b.imap=3");
    map.holds("user john backend=b1 forward_b=4 forward_c=5 forward_c.pop3=6");
    STRCMP_EQUAL("host=b forward_a=1 forward_b=4 forward_c=5", fields().c_str());
}

TEST(route_fields, a_field_that_needs_permission_is_refused_without_it)
{
    map.holds("user john host=b allow_nets=10.0.0.0/8");
    STRCMP_EQUAL("record user john holds the field allow_nets, which the setting allow_fields does "
                 "not name",
                 why_unavailable().c_str());
    settings.allow_fields = {Field_id::allow_nets};
    STRCMP_EQUAL("host=b allow_nets=10.0.0.0/8", fields().c_str());
    map.holds("user john backend=b1");
    map.holds("backend b1 host=b pass.pop3=x");
    STRCMP_EQUAL("record backend b1 holds the field pass.pop3, which the setting allow_fields does "
                 "not name",
                 why_unavailable().c_str());
}

TEST(route_fields, more_than_dovecots_reply_can_hold_is_unavailable)
{
    std::string line = "user john host=b";
    for (int i = 0; i < 7; i++)
        line += " forward_" + std::to_string(i) + "=" + std::string(500, 'x');
    map.holds(line + " backend=b1");
    std::string backend = "backend b1 port=1";
    map.holds(backend);
    route();
    for (int i = 0; i < 7; i++)
        backend += " event_" + std::to_string(i) + "=" + std::string(500, 'x');
    map.holds(backend);
    CHECK(contains(why_unavailable(), "at most 6144 are allowed"));
}

TEST(route_fields, the_password_of_a_record_is_for_checking_and_never_sent)
{
    settings.allow_fields = {Field_id::password};
    map.holds("user john host=b password={PLAIN}secret");
    const auto found = route();
    CHECK(found.has_password);
    STRCMP_EQUAL("{PLAIN}secret", found.password.c_str());
    STRCMP_EQUAL("host=b", text(found.fields).c_str());
    CHECK(!found.own_credential);
}

TEST(route_fields, a_bearer_mechanism_is_kept_apart_for_a_password_is_no_token)
{
    for (const std::string mech : {"XOAUTH2", "OAUTHBEARER"}) {
        map.holds("user john host=b proxy_mech=" + mech);
        const auto found = route();
        CHECK(found.bearer_mech);
        STRCMP_EQUAL(mech.c_str(), found.bearer_mech_name.c_str());
        STRCMP_EQUAL("host=b", text(found.fields).c_str());
    }
    map.holds("user john host=b proxy_mech=plain");
    CHECK(!route().bearer_mech);
    STRCMP_EQUAL("host=b proxy_mech=PLAIN", fields().c_str());
}

TEST_GROUP_BASE(route_login, Resolving){};

TEST(route_login, a_credential_gives_master_and_pass)
{
    credentials["site"] = {"site", "proxy", "secret", {}};
    map.holds("user john host=b credential=site");
    const auto found = route();
    STRCMP_EQUAL("host=b master=proxy pass=secret", text(found.fields).c_str());
    STRCMP_EQUAL("secret", found.pass.c_str());
    CHECK(found.own_credential);
}

TEST(route_login, without_one_the_clients_own_password_goes_on)
{
    map.holds("user john host=b");
    CHECK(!route().own_credential);
}

TEST(route_login, a_credential_of_the_backend_or_the_settings_counts_when_the_record_has_none)
{
    credentials["a"] = {"a", "", "pa", {}};
    credentials["b"] = {"b", "", "pb", {}};
    credentials["c"] = {"c", "", "pc", {}};
    settings.default_credential = "c";
    map.holds("backend b1 host=b");
    map.holds("user john backend=b1");
    STRCMP_EQUAL("host=b pass=pc", fields().c_str());
    map.holds("backend b1 host=b credential=b");
    STRCMP_EQUAL("host=b pass=pb", fields().c_str());
    map.holds("user john backend=b1 credential=a");
    STRCMP_EQUAL("host=b pass=pa", fields().c_str());
}

TEST(route_login, a_credential_that_the_host_does_not_have_is_unavailable)
{
    map.holds("user john host=b credential=site");
    STRCMP_EQUAL("record user john needs credential site, which credentials_file does not have",
                 why_unavailable().c_str());
    map.holds("user john host=b");
    settings.default_credential = "other";
    why_unavailable();
}

TEST(route_login, a_credential_is_sent_to_its_own_backends_alone)
{
    credentials["site"] = {"site", "m", "secret", {"b1"}};
    map.holds("backend b1 host=10.0.0.1 hostip=10.0.0.1");
    map.holds("backend b2 host=10.0.0.2");
    map.holds("user john backend=b1 credential=site");
    STRCMP_EQUAL("host=10.0.0.1 hostip=10.0.0.1 master=m pass=secret", fields().c_str());

    map.holds("user john backend=b2 credential=site");
    CHECK(contains(why_unavailable(), "needs credential site, which is not for this backend"));
    for (const std::string record :
         {"user john host=10.0.0.1 credential=site",
          "user john backend=b1 host=10.0.0.9 credential=site",
          "user john backend=b1 host.imap=10.0.0.9 credential=site",
          "user john backend=b1 host=b hostip=10.0.0.9 credential=site"}) {
        map.holds(record);
        CHECK_TEXT(contains(why_unavailable(), "only for the backends that it lists"),
                   record.c_str());
    }
}

TEST(route_login, a_credential_does_not_follow_to_a_failover_that_it_does_not_list)
{
    credentials["site"] = {"site", "m", "secret", {"b1"}};
    map.holds("backend b1 host=10.0.0.1 state=down failover=b2");
    map.holds("backend b2 host=10.0.0.2");
    map.holds("user john backend=b1 credential=site");
    CHECK(contains(why_unavailable(), "which is not for this backend"));
}

TEST(route_login, the_credentials_master_beats_the_records)
{
    credentials["site"] = {"site", "m", "secret", {}};
    map.holds("user john host=b credential=site master=other");
    STRCMP_EQUAL("host=b master=m pass=secret", fields().c_str());
    credentials["site"].master = "";
    STRCMP_EQUAL("host=b master=other pass=secret", fields().c_str());
}

TEST(route_login, a_master_without_a_password_of_its_own_is_unavailable)
{
    map.holds("backend b1 host=b master=m");
    map.holds("user john backend=b1");
    STRCMP_EQUAL(
        "record user john with backend b1 has a master but neither credential nor pass: it "
        "would send the user's password as the master's",
        why_unavailable().c_str());
    credentials["c"] = {"c", "", "secret", {}};
    settings.default_credential = "c";
    STRCMP_EQUAL("host=b master=m pass=secret", fields().c_str());
}

TEST(route_login, a_backends_master_is_not_sent_with_another_records_password)
{
    settings.allow_fields = {Field_id::pass};
    credentials["b"] = {"b", "", "backends", {}};
    credentials["u"] = {"u", "", "users", {}};
    map.holds("backend b1 host=b master=m credential=b");
    map.holds("user john backend=b1");
    STRCMP_EQUAL("host=b master=m pass=backends", fields().c_str());
    map.holds("user john backend=b1 credential=u");
    STRCMP_EQUAL("host=b pass=users", fields().c_str());
    map.holds("user john backend=b1 pass=own");
    STRCMP_EQUAL("host=b pass=own", fields().c_str());
    // A backend that has no password beside its master leaves it to the record.
    map.holds("backend b1 host=b master=m");
    STRCMP_EQUAL("host=b master=m pass=own", fields().c_str());
}

TEST(route_login, the_more_specific_of_credential_and_pass_counts)
{
    settings.allow_fields = {Field_id::pass};
    credentials["a"] = {"a", "", "pa", {}};
    credentials["d"] = {"d", "", "pd", {}};
    settings.default_credential = "d";
    map.holds("backend b1 host=b credential=a");
    map.holds("user john backend=b1 pass=own");
    STRCMP_EQUAL("host=b pass=own", fields().c_str());
    CHECK(route().own_credential);
    map.holds("backend b1 host=b pass=backends");
    map.holds("user john backend=b1 credential=a");
    STRCMP_EQUAL("host=b pass=pa", fields().c_str());
    map.holds("user john backend=b1");
    STRCMP_EQUAL("host=b pass=backends", fields().c_str());
}

TEST(route_login, lmtp_is_given_no_secret_for_it_sends_none)
{
    settings.allow_fields = {Field_id::pass};
    credentials["site"] = {"site", "m", "secret", {}};
    settings.default_credential = "site";
    map.holds("user john host=b");
    STRCMP_EQUAL("host=b", fields("john", Service::lmtp).c_str());
    map.holds("user john host=b pass=x master=y");
    STRCMP_EQUAL("host=b", fields("john", Service::lmtp).c_str());
}

TEST(route_login, no_sentence_holds_a_secret)
{
    settings.allow_fields = {Field_id::pass};
    credentials["site"] = {"site", "m", "hunter2", {"b2"}};
    map.holds("backend b1 host=b");
    map.holds("user john backend=b1 credential=site");
    CHECK(!contains(why_unavailable(), "hunter2"));
    map.holds("user john backend=b1 pass=hunter2 destuser=%{domain}");
    CHECK(!contains(why_unavailable(), "hunter2"));
}
