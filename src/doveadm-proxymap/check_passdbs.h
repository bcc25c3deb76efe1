// Whether the passdb and userdb blocks around ours let anybody in without a route, or by a password
// that nobody has checked. Looks at the configuration alone.
#pragma once

#include "check_findings.h"

#include "core/settings.h"
#include "dovecot/running_config.h"

namespace proxymap {

void check_passdbs(const Running_config &config, const Settings &settings,
                   Check_findings &findings);

// LMTP delivers on this host what no passdb has routed.
void check_userdbs(const Running_config &config, const Settings &settings,
                   Check_findings &findings);

// What Dovecot's own cache of passdb answers hides.
void check_auth_cache(const Running_config &config, const Settings &settings,
                      Check_findings &findings);

} // namespace proxymap
