// Where the settings stand on this Dovecot, for those who are not told by a passdb block. All that
// differs between Dovecot's branches stays behind this header.
#pragma once

#include "../core/result.h"
#include "../core/settings.h"

#include <optional>
#include <string>

namespace proxymap {

// For the tool, in doveadm's process. named: the settings file that the admin names, if one. Else
// on 2.3 the file in the args of the first passdb block of proxymap's, or
// /etc/dovecot/proxymap.conf.ext; on 2.4 the settings that hold in the first such block.
Result<Settings> read_tool_settings(const std::optional<std::string> &named);

// For the login plugin. 2.3: the file that PROXYMAP_CONFIG in the environment names, or
// /etc/dovecot/proxymap.conf.ext. 2.4: what stands in dovecot.conf outside of passdb blocks.
Result<Settings> read_login_process_settings();

} // namespace proxymap
