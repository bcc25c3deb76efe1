// SASL mechanisms of auth up to Dovecot 2.4.1; see passdb_branch.h.
#include "passdb_branch.h"

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

} // namespace proxymap
