// Where the tool finds its settings on Dovecot 2.3; see settings_source.h.
#include "settings_source.h"

#include "doveadm.h"

namespace proxymap {

Result<Settings> read_tool_settings(const std::optional<std::string> &named)
{
    if (named)
        return read_settings(*named);
    const std::optional<std::string> args = passdb_args("proxymap");
    return read_settings(args && !args->empty() ? *args : "/etc/dovecot/proxymap.conf.ext");
}

} // namespace proxymap
