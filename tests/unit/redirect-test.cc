// What a backend's refusal says of another backend.
#include "login-proxy-ext/redirect.h"

#include <string>

#include <CppUTest/TestHarness.h>

using namespace proxymap;

TEST_GROUP(redirect){// "host port"; "" for none.
                     static std::string found(std::string_view protocol, std::string_view line){
                         const std::optional<Redirect> redirect = find_redirect(protocol, line);
if (!redirect)
    return "";
return std::string(redirect->host) + " " + std::to_string(redirect->port);
}
}
;

TEST(redirect, each_protocol_has_words_of_its_own)
{
    STRCMP_EQUAL("192.0.2.7 993",
                 found("imap", "L NO [REFERRAL imap://john@192.0.2.7:993/] moved").c_str());
    STRCMP_EQUAL("192.0.2.7 995",
                 found("pop3", "-ERR [REFERRAL/john@192.0.2.7:995] moved").c_str());
    STRCMP_EQUAL("192.0.2.7 587",
                 found("submission", "550 5.2.900 john@192.0.2.7:587 Referral").c_str());
    STRCMP_EQUAL("192.0.2.7 4190",
                 found("sieve", "NO (REFERRAL sieve://john@192.0.2.7:4190) \"moved\"").c_str());
    STRCMP_EQUAL("", found("imap", "-ERR [REFERRAL/john@192.0.2.7:995] moved").c_str());
    STRCMP_EQUAL("", found("lmtp", "550 5.2.900 john@192.0.2.7:587 Referral").c_str());
}

TEST(redirect, user_port_and_path_may_be_missing)
{
    STRCMP_EQUAL("192.0.2.7 0", found("imap", "L NO [REFERRAL imap://192.0.2.7] moved").c_str());
    STRCMP_EQUAL("b2.example 0", found("imap", "L NO [referral IMAP://b2.example/] moved").c_str());
    STRCMP_EQUAL("192.0.2.7 0", found("pop3", "-ERR [REFERRAL/192.0.2.7] moved").c_str());
    STRCMP_EQUAL("192.0.2.7 0", found("pop3", "-ERR [REFERRAL/@192.0.2.7] moved").c_str());
    STRCMP_EQUAL("192.0.2.7 0", found("submission", "550 5.2.900 192.0.2.7 Referral").c_str());
}

TEST(redirect, ipv6_addresses_stand_in_brackets)
{
    STRCMP_EQUAL("2001:db8::7 993",
                 found("imap", "L NO [REFERRAL imap://john@[2001:db8::7]:993/] moved").c_str());
    STRCMP_EQUAL("2001:db8::7 0", found("pop3", "-ERR [REFERRAL/[2001:db8::7]] moved").c_str());
}

TEST(redirect, what_is_not_quite_one_is_none)
{
    for (const char *line :
         {"L NO [UNAVAILABLE] later", "L NO [REFERRAL imap://", "L NO [REFERRAL imap:///] x",
          "L NO [REFERRAL imap://192.0.2.7", "L NO [REFERRAL imap://192.0.2.7:/] x",
          "L NO [REFERRAL imap://192.0.2.7:0/] x", "L NO [REFERRAL imap://192.0.2.7:65536/] x",
          "L NO [REFERRAL imap://192.0.2.7:99x/] x", "L NO [REFERRAL imap://[2001:db8::7/ x",
          "L NO [REFERRAL imap://[::1]x/] x", "L NO [REFERRAL pop://192.0.2.7/] x",
          "C NO [REFERRAL imap://192.0.2.7/] x", "l NO [REFERRAL imap://192.0.2.7/] x",
          "L OK [REFERRAL imap://192.0.2.7/] x", ""})
        STRCMP_EQUAL("", found("imap", line).c_str());
}
