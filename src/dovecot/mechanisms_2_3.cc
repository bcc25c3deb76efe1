// SASL mechanisms of auth up to Dovecot 2.4.1; see passdb_branch.h and passdb_layout.h.
#include "passdb_branch.h"
#include "passdb_layout.h"

extern "C" {
#include <mech.h>
}

namespace proxymap {

std::string_view mechanism_of(const auth_request *request)
{
    return request->mech == nullptr ? std::string_view() : request->mech->mech_name;
}

std::vector<std::string> enabled_mechanisms(const auth *protocol)
{
    std::vector<std::string> names;
    for (const mech_module_list *mech = protocol->reg->modules; mech != nullptr; mech = mech->next)
        names.emplace_back(mech->module.mech_name);
    return names;
}

// Dovecot's rules have the last word.
bool overrules_passdbs(const auth_request *)
{
    return false;
}

auth_request *make_request(event *parent)
{
    return auth_request_new_dummy(parent);
}

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
