// SASL mechanisms of auth since Dovecot 2.4.5, where they are in its lib-sasl; see passdb_branch.h
// and passdb_layout.h.
#include "passdb_branch.h"
#include "passdb_layout.h"

extern "C" {
#include <sasl-server-private.h>
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

// The header still declares auth_request_new_dummy(), but there is none.
auth_request *make_request(event *parent)
{
    return auth_request_new(parent);
}

// The protocol's instance is among those that its server lists.
bool mechanisms_fit(const auth &protocol)
{
    sasl_server_instance instance;
    sasl_server server;
    if (!copy_foreign(protocol.sasl_inst, instance) || !copy_foreign(instance.server, server))
        return false;
    const sasl_server_instance *at = server.instances;
    for (int left = 1000; at != nullptr && at != protocol.sasl_inst && left > 0; left--) {
        if (!copy_foreign(at, instance))
            return false;
        at = instance.next;
    }
    return at == protocol.sasl_inst;
}

} // namespace proxymap
