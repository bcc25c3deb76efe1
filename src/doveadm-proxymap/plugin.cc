// The doveadm plugin: tells doveadm which commands there are.
//
// doveadm passes over a plugin that does not load without a word: after a change, see that
// `doveadm proxymap` still answers.
#include "common.h"

extern "C" {
#include <config.h>

struct module;

// Dovecot's module_dir_load() looks for these names; they come from the file's.
__attribute__((visibility("default"))) void doveadm_proxymap_plugin_init(struct module *) noexcept;
__attribute__((visibility("default"))) void doveadm_proxymap_plugin_deinit(void) noexcept;
extern __attribute__((visibility("default"))) const char *doveadm_proxymap_plugin_version;

const char *doveadm_proxymap_plugin_version = DOVECOT_ABI_VERSION;

void doveadm_proxymap_plugin_init(struct module *) noexcept
{
    using namespace proxymap;
    for (const Command *command :
         {&backend_command, &check_command,  &convert_command, &counters_command, &delete_command,
          &export_command,  &follow_command, &get_command,     &import_command,   &list_command,
          &lookup_command,  &move_command,   &promote_command, &sessions_command, &set_command,
          &status_command,  &sync_command,   &unset_command,   &verify_command,   &watch_command})
        register_command(*command);
}

void doveadm_proxymap_plugin_deinit(void) noexcept {}
}
