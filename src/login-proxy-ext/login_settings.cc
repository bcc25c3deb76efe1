// All that the login plugin reads; see login_settings.h.
#include "login_settings.h"

#include <utility>

namespace proxymap {

Result<Login_settings> read_login_settings(const std::string &path)
{
    Result<Settings> settings = read_settings(path);
    if (!settings)
        return settings.error();
    Login_settings result;
    result.settings = std::move(*settings);
    for (const Tls_policy &policy : result.settings.tls_policies)
        result.files.hold(policy);
    return result;
}

} // namespace proxymap
