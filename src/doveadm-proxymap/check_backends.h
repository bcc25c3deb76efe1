// What the backends' answers mean (backend_probe.h), and which certificate each of them must show.
#pragma once

#include "backend_probe.h"
#include "check_findings.h"

#include "core/settings.h"
#include "dovecot/running_config.h"

namespace proxymap {

// What to ask each target. Left out: the same place asked for the same by another backend or
// service, and what no login can reach, which is a finding already.
std::vector<Probe_question> make_questions(const std::vector<Backend_target> &targets,
                                           const Settings &settings, const Running_config &config,
                                           Check_findings &findings);

// now: seconds since 1970; days: a certificate that ends within them is a warning.
void check_backends(const std::vector<Probe_question> &questions,
                    const std::vector<Probe_answer> &answers, std::int64_t now, unsigned days,
                    Check_findings &findings);

} // namespace proxymap
