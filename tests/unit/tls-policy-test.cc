// TLS policies: what each setting may be, what goes together, and what a policy then checks.
#include "core/tls_policy.h"

#include "core/settings.h"

#include <algorithm>
#include <string>

#include <CppUTest/TestHarness.h>

using namespace proxymap;

namespace {

// SHA-256 of "a" and of "b".
constexpr const char *pin_a = "ypeBEsobvcr6wjGzmiPcTaeG7/gUfE5yuYB3ha/uSLs=";
constexpr const char *pin_b = "PiPoFgA5WUoziU9lZOGxNIu9egCI1CxKy3PurtWcAJ0=";

Result<Tls_policy> parse(const std::string &settings)
{
    const auto file = parse_conf("tls_policy strict {\n" + settings + "}\n", "/etc/x");
    if (!file)
        return file.error();
    return parse_tls_policy(file->sections.at(0), "/etc/x");
}

Tls_policy parsed(const std::string &settings)
{
    auto policy = parse(settings);
    CHECK_TEXT(policy.ok(), policy.ok() ? "" : policy.error().message.c_str());
    return std::move(*policy);
}

std::string refusal(const std::string &settings)
{
    const auto policy = parse(settings);
    CHECK_TEXT(!policy.ok(), ("taken, but it should have been refused: " + settings).c_str());
    return policy.error().message;
}

// Beside a CA, the setting takes the good values and refuses the bad ones, in the line where it is.
void check_values(const std::string &setting, std::initializer_list<std::string> good,
                  std::initializer_list<std::string> bad)
{
    for (const std::string &value : good)
        parsed("ca_file = /ca\n" + setting + " = " + value + "\n");
    for (const std::string &value : bad) {
        const auto message = refusal("ca_file = /ca\n" + setting + " = " + value + "\n");
        CHECK_TEXT(message.starts_with("/etc/x:3: tls_policy strict: " + setting + " = "),
                   message.c_str());
        CHECK_TEXT(message.size() < 400, message.c_str());
    }
}

bool contains(const std::string &text, std::string_view part)
{
    return text.find(part) != std::string::npos;
}

} // namespace

TEST_GROUP(tls_policy){};

TEST(tls_policy, each_setting_reaches_its_field)
{
    const auto policy = parsed("ca_file = /etc/ca.pem\n"
                               "crl_file = /etc/crl.pem\n"
                               "verify_name = mail.example.com\n"
                               "sni = b1.example.com\n"
                               "pin_sha256 = " +
                               std::string(pin_a) + "  " + pin_b +
                               "\n"
                               "certificate = /etc/proxy.pem\n"
                               "key = /etc/proxy.key\n"
                               "min_protocol = TLSv1.3\n"
                               "ciphers = ECDHE+AESGCM:@STRENGTH\n"
                               "ciphersuites = TLS_AES_256_GCM_SHA384:TLS_AES_128_GCM_SHA256\n"
                               "require = no\n"
                               "resume_sessions = no\n"
                               "resume_max_age = 10m\n"
                               "resume_max_count = 50\n");
    STRCMP_EQUAL("strict", policy.name.c_str());
    STRCMP_EQUAL("/etc/ca.pem", policy.ca_file.c_str());
    STRCMP_EQUAL("/etc/crl.pem", policy.crl_file.c_str());
    STRCMP_EQUAL("mail.example.com", policy.verify_name.c_str());
    STRCMP_EQUAL("b1.example.com", policy.sni.c_str());
    LONGS_EQUAL(2, policy.pins.size());
    STRCMP_EQUAL(pin_a, format_pin(policy.pins[0]).c_str());
    STRCMP_EQUAL(pin_b, format_pin(policy.pins[1]).c_str());
    STRCMP_EQUAL("/etc/proxy.pem", policy.certificate_file.c_str());
    STRCMP_EQUAL("/etc/proxy.key", policy.key_file.c_str());
    STRCMP_EQUAL("TLSv1.3", policy.min_protocol.c_str());
    STRCMP_EQUAL("ECDHE+AESGCM:@STRENGTH:!aNULL:!eNULL", policy.ciphers.c_str());
    STRCMP_EQUAL("TLS_AES_256_GCM_SHA384:TLS_AES_128_GCM_SHA256", policy.ciphersuites.c_str());
    CHECK(!policy.require && !policy.any_cert && !policy.resume_sessions);
    LONGS_EQUAL(600'000, policy.resume_max_age);
    LONGS_EQUAL(50, policy.resume_max_count);
}

TEST(tls_policy, by_default_tls_is_required_and_verified_sessions_are_resumed)
{
    const auto policy = parsed("ca_file = /ca\n");
    CHECK(policy.require && !policy.any_cert && policy.resume_sessions);
    STRCMP_EQUAL("TLSv1.2", policy.min_protocol.c_str());
    STRCMP_EQUAL("", policy.ciphers.c_str());
    LONGS_EQUAL(3'600'000, policy.resume_max_age);
    LONGS_EQUAL(1000, policy.resume_max_count);
}

TEST(tls_policy, the_list_names_the_defaults_that_are_in_force)
{
    std::string settings = "ca_file = /ca\n";
    for (const auto &info : tls_policy_settings()) {
        if (!info.default_value.empty())
            settings += std::string(info.name) + " = " + std::string(info.default_value) + "\n";
    }
    const auto written = parsed(settings);
    const auto silent = parsed("ca_file = /ca\n");
    CHECK(written.min_protocol == silent.min_protocol);
    CHECK(written.require == silent.require);
    CHECK(written.any_cert == silent.any_cert);
    CHECK(written.resume_sessions == silent.resume_sessions);
    CHECK(written.resume_max_age == silent.resume_max_age);
    CHECK(written.resume_max_count == silent.resume_max_count);
}

TEST(tls_policy, every_setting_is_documented_in_one_sentence)
{
    LONGS_EQUAL(15, tls_policy_settings().size());
    for (const auto &info : tls_policy_settings())
        CHECK(!info.help.empty() && info.help.back() != '.' && !info.type.empty());
}

TEST(tls_policy, without_ca_and_pin_nothing_could_be_trusted)
{
    STRCMP_EQUAL("/etc/x:1: tls_policy strict: neither ca_file nor pin_sha256 is given, so no "
                 "certificate can be trusted; to accept every certificate, write any_cert = yes",
                 refusal("").c_str());
    CHECK(contains(refusal("verify_name = a.example\n"), "neither ca_file nor pin_sha256"));
    CHECK(contains(refusal("any_cert = no\n"), "neither ca_file nor pin_sha256"));
}

TEST(tls_policy, a_ca_checks_chain_and_name)
{
    const auto policy = parsed("ca_file = /ca\n");
    CHECK(policy.checks_chain() && policy.checks_name() && !policy.checks_pins());
}

TEST(tls_policy, a_pin_alone_is_the_trust_and_a_name_is_checked_only_when_given)
{
    const std::string pin = "pin_sha256 = " + std::string(pin_a) + "\n";
    const auto alone = parsed(pin);
    CHECK(!alone.checks_chain() && !alone.checks_name() && alone.checks_pins());
    const auto named = parsed(pin + "verify_name = a.example\n");
    CHECK(!named.checks_chain() && named.checks_name() && named.checks_pins());
    const auto both = parsed(pin + "ca_file = /ca\n");
    CHECK(both.checks_chain() && both.checks_name() && both.checks_pins());
}

TEST(tls_policy, any_cert_checks_nothing_and_resumes_nothing)
{
    const auto policy = parsed("any_cert = yes\n");
    CHECK(policy.any_cert && policy.require && !policy.resume_sessions);
    CHECK(!policy.checks_chain() && !policy.checks_name() && !policy.checks_pins());
}

TEST(tls_policy, any_cert_goes_with_nothing_that_would_be_checked)
{
    for (const std::string &setting :
         {std::string("ca_file = /ca"), std::string("crl_file = /crl"),
          std::string("verify_name = a.example"), "pin_sha256 = " + std::string(pin_a)}) {
        const auto message = refusal("any_cert = yes\n" + setting + "\n");
        const auto name = setting.substr(0, setting.find(' '));
        CHECK_TEXT(
            message.starts_with("/etc/x:3: tls_policy strict: " + name + " and any_cert = yes: "),
            message.c_str());
    }
    CHECK(contains(refusal("resume_sessions = yes\nany_cert = yes\n"),
                   "/etc/x:2: tls_policy strict: resume_sessions = yes and any_cert = yes"));
    parsed("any_cert = yes\nresume_sessions = no\nsni = a.example\ncertificate = /c\nkey = /k\n");
}

TEST(tls_policy, revocation_lists_need_the_cas_that_signed_them)
{
    CHECK(refusal("pin_sha256 = " + std::string(pin_a) + "\ncrl_file = /crl\n")
              .starts_with("/etc/x:3: tls_policy strict: crl_file needs ca_file"));
}

TEST(tls_policy, a_certificate_and_its_key_come_together)
{
    CHECK(refusal("ca_file = /ca\ncertificate = /c\n")
              .starts_with("/etc/x:3: tls_policy strict: certificate needs key"));
    CHECK(refusal("ca_file = /ca\nkey = /k\n")
              .starts_with("/etc/x:3: tls_policy strict: key needs certificate"));
}

TEST(tls_policy, files_are_named_by_absolute_paths)
{
    for (const char *setting : {"crl_file", "certificate", "key"}) {
        const auto message = refusal("ca_file = /ca\n" + std::string(setting) + " = a.pem\n");
        STRCMP_EQUAL(("/etc/x:3: tls_policy strict: " + std::string(setting) +
                      " = \"a.pem\": it must be an absolute path")
                         .c_str(),
                     message.c_str());
    }
    CHECK(contains(refusal("ca_file =\n"), "it must be an absolute path"));
}

TEST(tls_policy, the_name_to_verify_is_a_host_or_an_address_without_wildcards)
{
    check_values("verify_name", {"mail.example.com", "b1", "192.0.2.1", "2001:db8::1"},
                 {"", "*.example.com", "a b", "%{domain}", "127.1", "a.example.com.",
                  "::ffff:192.0.2.1", "a/b", std::string(254, 'a')});
}

TEST(tls_policy, the_name_to_send_is_no_address)
{
    check_values("sni", {"mail.example.com", "b1"},
                 {"", "192.0.2.1", "2001:db8::1", "::ffff:192.0.2.1", "*.example.com", "%{host}"});
}

TEST(tls_policy, a_pin_is_the_base64_of_a_whole_sha256)
{
    const std::string a = pin_a;
    check_values("pin_sha256", {a, a + " " + pin_b},
                 {"", "x", a.substr(0, 43), // its padding is missing
                  a + "=",                  // padded too much
                  a.substr(1),              // cut off
                  "AAAA" + a,               // 35 bytes
                  a.substr(0, 42) + "t=",   // bits behind the last byte: not what anybody prints
                  a.substr(0, 43) + "A",    // 33 bytes
                  a.substr(0, 43) + "-",    // no base64
                  a + "," + pin_b,          // blanks separate
                  "sha256/" + a, a + " " + a});
    CHECK(contains(refusal("pin_sha256 = " + a + " " + pin_b + " " + a + "\n"), "given twice"));
}

TEST(tls_policy, what_openssl_would_skip_before_base64_is_no_pin)
{
    // A tab is a blank between words, so only the direct way brings it here.
    Conf_section section{"tls_policy", "strict", 1, {}, {}};
    section.entries.push_back({"pin_sha256", "\n" + std::string(pin_a).substr(0, 43), 2});
    CHECK(!parse_tls_policy(section, "/etc/x").ok());
}

TEST(tls_policy, only_protocols_that_are_still_safe_can_be_the_oldest)
{
    check_values("min_protocol", {"TLSv1.2", "TLSv1.3"},
                 {"", "TLSv1", "TLSv1.1", "SSLv3", "tlsv1.2", "1.2", "LATEST"});
}

TEST(tls_policy, no_cipher_goes_without_authentication_or_encryption)
{
    for (const char *ciphers : {"ALL:@SECLEVEL=0", "ADH", "aNULL:eNULL", "HIGH !SHA1"})
        CHECK(parsed("ca_file = /ca\nciphers = " + std::string(ciphers) + "\n")
                  .ciphers.ends_with(":!aNULL:!eNULL"));
}

TEST(tls_policy, a_cipher_list_holds_only_what_openssl_reads)
{
    check_values("ciphers", {"HIGH", "ECDHE-RSA-AES256-GCM-SHA384:!SHA1", "HIGH,-RSA"},
                 {"", "HIGH;rm", "a/b", "%{x}", std::string(1025, 'A')});
    check_values("ciphersuites", {"TLS_AES_256_GCM_SHA384"},
                 {"", "TLS_AES_256_GCM_SHA384:", ":TLS_AES_256_GCM_SHA384", "HIGH",
                  "TLS_AES_256_GCM_SHA384 TLS_AES_128_GCM_SHA256", "tls_aes_256_gcm_sha384",
                  "TLS_" + std::string(1021, 'A')});
}

TEST(tls_policy, switches_times_and_counts_are_in_their_range)
{
    check_values("require", {"yes", "no"}, {"", "true"});
    check_values("any_cert", {"no"}, {"", "1"});
    check_values("resume_sessions", {"yes", "no"}, {"", "on"});
    check_values("resume_max_age", {"1s", "24h", "1d"}, {"0", "999ms", "25h", "60"});
    check_values("resume_max_count", {"1", "100000"}, {"0", "100001", "-1", "x"});
}

TEST(tls_policy, an_unknown_setting_is_told_its_nearest)
{
    STRCMP_EQUAL("/etc/x:2: tls_policy strict: unknown setting \"ca_fil\": did you mean ca_file?",
                 refusal("ca_fil = /ca\n").c_str());
    CHECK(contains(refusal("ssl_client_ca_dir = /ca\n"), "allowed are ca_file, crl_file, "));
}

TEST(tls_policy, a_setting_that_is_given_twice_names_both_lines)
{
    STRCMP_EQUAL("/etc/x:3: ca_file is given twice: first in line 2, again in line 3",
                 refusal("ca_file = /a\nca_file = /b\n").c_str());
}

TEST(tls_policy, lmtp_can_enforce_no_more_than_tls_itself)
{
    STRCMP_EQUAL("", not_enforceable_by_lmtp(parsed("any_cert = yes\nrequire = yes\n")).c_str());
    STRCMP_EQUAL("ca_file", not_enforceable_by_lmtp(parsed("ca_file = /ca\n")).c_str());
    STRCMP_EQUAL(
        "ca_file, crl_file, verify_name, sni, pin_sha256, certificate, min_protocol, "
        "ciphers, ciphersuites",
        not_enforceable_by_lmtp(parsed("ca_file = /ca\ncrl_file = /crl\nverify_name = a\nsni = a\n"
                                       "pin_sha256 = " +
                                       std::string(pin_a) +
                                       "\ncertificate = /c\nkey = /k\nmin_protocol = TLSv1.3\n"
                                       "ciphers = HIGH\nciphersuites = TLS_AES_256_GCM_SHA384\n"))
            .c_str());
}
