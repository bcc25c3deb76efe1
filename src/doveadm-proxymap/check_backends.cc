#include "check_backends.h"

#include <algorithm>

namespace proxymap {

namespace {

// Dovecot's own verification where the route names no policy.
std::optional<Tls_policy> policy_of_dovecot(const Running_config &config)
{
    if (config.client_ca_file.empty() || !config.requires_valid_cert)
        return std::nullopt;
    Tls_policy policy;
    policy.name = config.is_2_4 ? "(ssl_client_ca_file)" : "(ssl_ca)";
    policy.ca_file = config.client_ca_file;
    return policy;
}

// Also the policy that a target is asked with, as a name; "-": its certificate is not judged.
std::string name_of(const std::optional<Tls_policy> &policy)
{
    return policy ? policy->name : "-";
}

bool is_same_question(const Probe_question &a, const Probe_question &b)
{
    return a.target.host == b.target.host && a.target.address == b.target.address &&
           a.target.port == b.target.port && a.target.tls == b.target.tls &&
           a.target.service == b.target.service && name_of(a.policy) == name_of(b.policy);
}

std::string day_of(std::time_t time)
{
    std::tm parts{};
    gmtime_r(&time, &parts);
    char text[32];
    return std::string(text, std::strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S UTC", &parts));
}

} // namespace

std::vector<Probe_question> make_questions(const std::vector<Backend_target> &targets,
                                           const Settings &settings, const Running_config &config,
                                           Check_findings &findings)
{
    std::vector<Probe_question> questions;
    for (const Backend_target &target : targets) {
        if (!target.refused.empty()) {
            findings.error(target.label(), target.refused,
                           "mend the record (doveadm proxymap backend set) or the settings: logins "
                           "there get a temporary failure");
            continue;
        }
        Probe_question question{target, {}, {}};
        if (target.tls != Target_tls::none && !target.policy.empty())
            question.policy = *settings.find_tls_policy(target.policy);
        else if (target.tls != Target_tls::none && !target.any_cert)
            question.policy = policy_of_dovecot(config);
        if (std::any_of(questions.begin(), questions.end(), [&](const Probe_question &other) {
                return is_same_question(other, question);
            }))
            continue;
        if (question.policy) {
            Result<Policy_files> files = read_policy_files(*question.policy);
            if (!files) { // a finding of its own where the policy is ours
                findings.error(target.label(), files.error().message, "mend the file");
                continue;
            }
            question.files = std::move(*files);
        }
        questions.push_back(std::move(question));
    }
    return questions;
}

void check_backends(const std::vector<Probe_question> &questions,
                    const std::vector<Probe_answer> &answers, std::int64_t now, unsigned days,
                    Check_findings &findings)
{
    std::size_t not_asked = 0;
    for (std::size_t i = 0; i < answers.size(); i++) {
        const std::string subject = questions[i].target.label();
        const Probe_answer &answer = answers[i];
        if (!answer.asked) {
            not_asked++;
            continue;
        }
        if (!answer.failure.empty()) {
            findings.error(subject, answer.failure,
                           answer.is_certificate
                               ? "mend the backend's certificate, or the policy that it is to "
                                 "satisfy (ca_file, verify_name, pin_sha256)"
                               : "start the backend, mend host and port of its record, or set its "
                                 "state to down");
            continue;
        }
        if (!answer.valid_until)
            continue;
        const std::int64_t left = *answer.valid_until - now;
        if (left < 0)
            findings.warning(subject,
                             "its certificate has expired on " + day_of(*answer.valid_until),
                             "renew it; nobody verifies it as yet");
        else if (left < std::int64_t{days} * 86'400)
            findings.warning(subject,
                             "its certificate expires on " + day_of(*answer.valid_until) +
                                 ", in less than " + std::to_string(left / 86'400 + 1) + " days",
                             "renew it on the backend");
    }
    if (not_asked > 0)
        findings.warning("backends",
                         "the time was over before " + std::to_string(not_asked) + " of " +
                             std::to_string(answers.size()) + " connections could be tried",
                         "give it more time: --timeout");
}

} // namespace proxymap
