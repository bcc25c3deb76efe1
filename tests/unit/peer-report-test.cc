// What a log line tells of a certificate.
#include "login-proxy-ext/peer_report.h"

#include "tls_peers.h"

#include <algorithm>

#include <openssl/pem.h>

#include <CppUTest/TestHarness.h>

using namespace proxymap;

namespace {

bool contains(const std::string &text, std::string_view part)
{
    return text.find(part) != std::string::npos;
}

// As `openssl x509 -pubkey | openssl pkey -pubin -outform der | openssl dgst -sha256 -binary |
// base64` says.
constexpr const char *known_certificate = R"(-----BEGIN CERTIFICATE-----
MIIBbzCCARWgAwIBAgIUXkxHylICHK24L8zLa/FPLvdFB78wCgYIKoZIzj0EAwIw
DTELMAkGA1UEAwwCYjEwHhcNMjYxMTIyMjIzNDIyWhcNMzYxMTE5MjIzNDIyWjAN
MQswCQYDVQQDDAJiMTBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABLqPpzOHD0w5
vXREfFyfBLCCvbDXqGYKjOMQhj56UeOloQyXwsDld3n/1gOUrNjHES6I/EY8qIII
c+C9ouaPlU+jUzBRMB0GA1UdDgQWBBSZiQYPpJEDODJrDKwWg2G/a3ZJpjAfBgNV
HSMEGDAWgBSZiQYPpJEDODJrDKwWg2G/a3ZJpjAPBgNVHRMBAf8EBTADAQH/MAoG
CCqGSM49BAMCA0gAMEUCIDpBCBsIE/vkRe/qXQpV++WWbEF16HaaEDu5NP1ueLwZ
AiEA3zX4oertqmtaz4Gt92UhjZKaUBFk7Jc7qGRSwzE/9So=
-----END CERTIFICATE-----
)";
constexpr const char *known_pin = "6o7ubDvMDWTGEWS1lGstMKwd6vu1tZa5eX5FYvZnTFI=";

std::string describe(const Identity_wish &wish)
{
    return describe_certificate(make_identity(wish).certificate.get());
}

} // namespace

TEST_GROUP(peer_report){};

TEST(peer_report, bytes_that_are_not_printable_ascii_are_replaced)
{
    STRCMP_EQUAL("a?b?c?d", printable("a\nb\x7f"
                                      "c\xff"
                                      "d",
                                      100)
                                .c_str());
    STRCMP_EQUAL("a?b", printable(std::string_view("a\0b", 3), 100).c_str());
}

TEST(peer_report, what_is_too_long_ends_in_dots)
{
    STRCMP_EQUAL("abc", printable("abc", 3).c_str());
    STRCMP_EQUAL("abc...", printable("abcd", 3).c_str());
}

TEST(peer_report, the_pin_is_what_the_openssl_command_computes)
{
    const Bio_ptr bio(BIO_new_mem_buf(known_certificate, -1));
    const Certificate_ptr certificate(PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr));
    CHECK(certificate != nullptr);
    const std::optional<Spki_pin> pin = spki_pin(certificate.get());
    CHECK(pin.has_value());
    STRCMP_EQUAL(known_pin, format_pin(*pin).c_str());
}

TEST(peer_report, a_certificate_is_described_whole)
{
    const Identity ca = make_identity({.common_name = "Our CA", .is_ca = true});
    const Identity b1 = make_identity(
        {.common_name = "b1",
         .names = "DNS:b1.example.com,email:x@example.com,IP:192.0.2.1,IP:2001:db8::1",
         .issuer = &ca});
    const std::string text = describe_certificate(b1.certificate.get());
    const std::string begin = "subject \"CN=b1\", issuer \"CN=Our CA\", pin " +
                              format_pin(*spki_pin(b1.certificate.get())) +
                              ", names b1.example.com 192.0.2.1 2001:db8::1, valid 20";
    CHECK_TEXT(text.starts_with(begin), text.c_str());
    CHECK_TEXT(text.ends_with(" UTC"), text.c_str());
}

TEST(peer_report, a_certificate_without_names_says_so)
{
    CHECK(contains(describe({.common_name = "b1"}), ", names none, "));
}

TEST(peer_report, a_subject_cannot_end_its_quotes)
{
    const std::string text = describe({.common_name = "b1\", issuer \"CN=Trusted\"\n"});
    CHECK_TEXT(text.starts_with("subject \"CN=b1\\\"\\, issuer \\\"CN=Trusted\\\"\\0A\", issuer "),
               text.c_str());
}

TEST(peer_report, a_name_cannot_look_like_more_of_the_line)
{
    CHECK(contains(describe({.common_name = "x", .names = "DNS:b1 valid=2099\"\n"}),
                   ", names b1?valid?2099?"));
}

TEST(peer_report, a_huge_certificate_makes_no_huge_line)
{
    std::string names = "DNS:b1.example.com";
    for (int i = 0; i < 500; i++)
        names += ",DNS:" + std::string(200, 'a' + static_cast<char>(i % 26)) + ".example.com";
    const std::string text = describe({.common_name = std::string(64, 'n'), .names = names});
    CHECK(text.size() <= 1200);
    CHECK_TEXT(contains(text, "...") && contains(text, "valid 20"), text.c_str());
}

TEST(peer_report, times_are_utc)
{
    const std::unique_ptr<ASN1_TIME, Free_with<ASN1_TIME_free>> time(
        ASN1_TIME_set(nullptr, 1'767'225'600));
    STRCMP_EQUAL("2026-01-01 00:00:00", format_time(time.get()).c_str());
    CHECK(to_time_t(time.get()) == std::optional<std::time_t>(1'767'225'600));
}

TEST(peer_report, the_expectation_names_what_the_policy_demands)
{
    Tls_policy policy;
    policy.any_cert = true;
    STRCMP_EQUAL("any", describe_expectation(policy, "b1").c_str());
    policy.any_cert = false;
    policy.ca_file = "/etc/ca.pem";
    policy.crl_file = "/etc/crl.pem";
    policy.pins = {Spki_pin{1}, Spki_pin{2}};
    const std::string text = describe_expectation(policy, "b1");
    const std::string expected = "signed by a CA of /etc/ca.pem, not revoked by /etc/crl.pem, "
                                 "named b1, with one of the pins " +
                                 format_pin(Spki_pin{1}) + " " + format_pin(Spki_pin{2});
    STRCMP_EQUAL(expected.c_str(), text.c_str());
    for (unsigned char i = 3; i < 9; i++)
        policy.pins.push_back(Spki_pin{i});
    CHECK(describe_expectation(policy, "b1").ends_with(" and 4 more"));
    policy.ca_file = "";
    policy.crl_file = "";
    CHECK(!contains(describe_expectation(policy, "b1"), "named"));
}
