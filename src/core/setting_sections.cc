// All settings there are; see setting_sections.h.
#include "setting_sections.h"

#include "credentials.h"
#include "setting_list.h"

#include <array>

namespace proxymap {

namespace {

Result<Done> check_plain_setting(std::string_view name, std::string_view value)
{
    Settings scratch;
    for (const Setting &setting : settings_table()) {
        if (setting.info.name == name)
            return setting.set(scratch, value);
    }
    return Error{"no such setting"};
}

} // namespace

std::span<const Setting_section> setting_sections()
{
    static const std::array sections = {
        Setting_section{"", setting_list(), check_plain_setting},
        Setting_section{"tls_policy", tls_policy_settings(), check_tls_policy_setting},
        Setting_section{"source_pool", source_pool_settings(), check_source_pool_setting},
        Setting_section{"credential", credential_settings(), check_credential_setting},
    };
    return sections;
}

} // namespace proxymap
