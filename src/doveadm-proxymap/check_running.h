// Looks at everything that a running deployment stands on, and says what is wrong with it.
// Changes nothing.
#pragma once

#include "backend_probe.h"
#include "check_findings.h"

#include "core/configuration.h"
#include "dovecot/running_config.h"

namespace proxymap {

struct Check_options {
    bool connect = true; // to backends
    unsigned days = 14;  // a certificate that ends within them is a finding
    Probe_limits limits;
};

// Blocks: for seconds for a mirror that is down, for limits.all at most for backends.
Check_findings check_running(const Configuration &configuration, const Running_config &config,
                             const Check_options &options);

} // namespace proxymap
