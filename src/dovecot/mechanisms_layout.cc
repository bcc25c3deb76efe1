// How Dovecot before 2.4.2 lists a protocol's mechanisms.
#include "passdb_layout.h"

extern "C" {
#include <mech.h>
}

namespace proxymap {

bool mechanisms_fit(const auth &protocol)
{
    mechanisms_register list;
    if (!copy_foreign(protocol.reg, list) || list.set != global_auth_settings ||
        list.modules == nullptr)
        return false;
    int left = 100;
    for (const mech_module_list *at = list.modules; at != nullptr && left > 0; left--) {
        mech_module_list one;
        if (!copy_foreign(at, one))
            return false;
        const std::optional<std::string> name = copy_foreign_text(one.module.mech_name);
        if (!name || mech_module_find(name->c_str()) == nullptr)
            return false;
        at = one.next;
    }
    return left > 0;
}

} // namespace proxymap
