// Connects to backends as a login process would, up to and without a login: TCP, the greeting,
// STARTTLS, and the handshake, whose certificate is judged by the code of login_proxy_ext.
//
// MUST: sends nothing of anybody's, no name and no password.
#pragma once

#include "backend_targets.h"

#include "core/tls_policy.h"
#include "login-proxy-ext/policy_files.h"

#include <cstdint>
#include <ctime>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace proxymap {

struct Probe_question {
    Backend_target target;
    // That the certificate must satisfy; none: it is not judged.
    std::optional<Tls_policy> policy;
    Policy_files files; // the policy's
};

struct Probe_answer {
    bool asked = false;                     // false: the time was over before
    std::string failure;                    // what went wrong, as a sentence; "" for nothing
    bool is_certificate = false;            // failure: of the handshake, not of the way there
    std::optional<std::time_t> valid_until; // the backend's own certificate
};

struct Probe_limits {
    std::uint32_t wait = 5000;  // ms for each answer of a backend
    std::uint32_t all = 60'000; // ms for all together
    unsigned parallel = 16;     // at a time
};

// Blocks, at most limits.all. progress: called now and then with the number of those that are done.
// One answer a question, in their order.
std::vector<Probe_answer> probe_backends(std::vector<Probe_question> questions,
                                         const Probe_limits &limits,
                                         const std::function<void(std::size_t)> &progress);

} // namespace proxymap
