// All that the login plugin reads; see login_settings.h.
#include "login_settings.h"

#include <utility>

namespace proxymap {

Login_settings with_files(Settings settings)
{
    Login_settings result;
    result.settings = std::move(settings);
    for (const Tls_policy &policy : result.settings.tls_policies)
        result.files.hold(policy);
    return result;
}

} // namespace proxymap
