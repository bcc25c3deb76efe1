// src/doveadm-proxymap/check_backends.h: what backends are asked, and what their answers mean.
#include "doveadm-proxymap/check_backends.h"

#include <CppUTest/TestHarness.h>

using namespace proxymap;

namespace {

Backend_target target(const char *backend, Target_tls tls)
{
    Backend_target made;
    made.backend = backend;
    made.host = made.address = "127.0.0.2";
    made.port = 993;
    made.tls = tls;
    return made;
}

std::vector<Check_finding> judge(const Probe_answer &answer)
{
    Check_findings findings;
    check_backends({{target("b1", Target_tls::at_once), {}, {}}}, {answer}, 1'000'000, 14,
                   findings);
    return findings.sorted();
}

} // namespace

TEST_GROUP(check_backends){};

TEST(check_backends, a_place_is_asked_once_for_each_policy)
{
    Settings settings;
    Check_findings findings;
    const auto questions =
        make_questions({target("b1", Target_tls::none), target("b2", Target_tls::none),
                        target("b3", Target_tls::starttls)},
                       settings, {}, findings);
    CHECK_EQUAL(2, questions.size());
    CHECK_TRUE(findings.sorted().empty());
}

TEST(check_backends, what_no_login_can_reach_is_not_asked_and_is_an_error)
{
    Backend_target refused = target("b1", Target_tls::none);
    refused.refused = "record backend b1 asks for TLS policy x";
    Check_findings findings;
    CHECK_TRUE(make_questions({refused}, Settings(), {}, findings).empty());
    CHECK_TRUE(findings.has(Severity::error));
}

TEST(check_backends, answers_are_judged)
{
    CHECK_TRUE(judge({true, "", true, 1'000'000 + 15 * 86'400}).empty());
    CHECK_TRUE(judge({true, "", false, std::nullopt}).empty());
    CHECK_TRUE(Severity::error == judge({true, "refused", false, {}}).front().severity);
    CHECK_TRUE(Severity::warning ==
               judge({true, "", true, 1'000'000 + 13 * 86'400}).front().severity);
    CHECK_TRUE(judge({true, "", true, 999'999}).front().finding.find("has expired") !=
               std::string::npos);
    CHECK_TRUE(judge({}).front().finding.find("1 of 1") != std::string::npos);
}
