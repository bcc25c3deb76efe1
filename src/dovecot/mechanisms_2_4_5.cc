// SASL mechanisms of auth since Dovecot 2.4.5, where they are in its lib-sasl; see passdb_branch.h.
#include "passdb_branch.h"

extern "C" {
#include <sasl-server.h>
}

namespace proxymap {

std::string_view mechanism_of(const auth_request *request)
{
    const sasl_server_mech *mech = request->sasl.req.mech;
    return mech == nullptr ? std::string_view() : sasl_server_mech_get_name(mech);
}

std::vector<std::string> enabled_mechanisms(const auth *protocol)
{
    std::vector<std::string> names;
    sasl_server_mech_iter *iter = sasl_server_instance_mech_iter_new(protocol->sasl_inst);
    while (sasl_server_mech_iter_next(iter))
        names.emplace_back(iter->name);
    sasl_server_mech_iter_free(&iter);
    return names;
}

// auth_sasl_request_output() sets passdb_success after the passdbs have been asked.
bool overrules_passdbs(const auth_request *request)
{
    const sasl_server_mech *mech = request->sasl.req.mech;
    return mech != nullptr &&
           sasl_server_mech_get_passdb_need(mech) == SASL_MECH_PASSDB_NEED_NOTHING;
}

} // namespace proxymap
