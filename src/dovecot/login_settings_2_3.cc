// Where login processes find their settings on Dovecot 2.3; see settings_source.h.
#include "settings_source.h"

#include <cstdlib>

namespace proxymap {

Result<Settings> read_login_process_settings()
{
    // By way of Dovecot's import_environment.
    const char *named = std::getenv("PROXYMAP_CONFIG");
    return read_settings(named == nullptr ? "/etc/dovecot/proxymap.conf.ext" : named);
}

} // namespace proxymap
