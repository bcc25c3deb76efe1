// Settings of Dovecot's and ours that are right each by itself, and not together.
#pragma once

#include "check_findings.h"

#include "core/settings.h"
#include "dovecot/running_config.h"

namespace proxymap {

void check_settings(const Running_config &config, const Settings &settings,
                    Check_findings &findings);

// The files of TLS policies, as login processes will read them: what cannot be used, and what is
// not valid any more. now: seconds since 1970.
void check_policies(const Settings &settings, std::int64_t now, Check_findings &findings);

} // namespace proxymap
