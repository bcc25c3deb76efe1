// What makes doveconf and all of Dovecot 2.4 accept and check our settings: modules/settings.
#include "native_settings.h"

#include "dovecot.h"

extern "C" {
#include <settings-parser.h>
}

namespace {

// As many as native_setting_infos() gives, with its null.
constexpr std::size_t info_count = 6;

} // namespace

// config_parse_load_modules() in config-parser.c looks for these names; they come from the file's.
PROXYMAP_EXPORT const setting_parser_info *proxymap_settings_set_infos[info_count];
const setting_parser_info *proxymap_settings_set_infos[info_count];

PROXYMAP_EXPORT void proxymap_settings_init(struct module *) noexcept
{
    const setting_parser_info *const *infos = proxymap::native_setting_infos();
    for (std::size_t i = 0; i < info_count && infos[i] != nullptr; i++)
        proxymap_settings_set_infos[i] = infos[i];
}

PROXYMAP_EXPORT void proxymap_settings_deinit(void) noexcept {}

PROXYMAP_EXPORT const char *proxymap_settings_version;
const char *proxymap_settings_version = DOVECOT_ABI_VERSION;
