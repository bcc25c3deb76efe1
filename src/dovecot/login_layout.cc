#include "login_layout.h"

#include "login_branch.h"

namespace proxymap {

namespace {

// Not by i_stream_get_fd(), which follows what may be no pointer.
bool reads_its_socket(const ::client *client)
{
    istream input;
    istream_private stream;
    return copy_foreign(client->input, input) && copy_foreign(input.real_stream, stream) &&
           stream.fd == client->fd;
}

bool has_functions_of_its_protocol(const client_vfuncs &functions)
{
    struct login_binary binary;
    client_vfuncs stock;
    return copy_foreign(login_binary, binary) && copy_foreign(binary.client_vfuncs, stock) &&
           functions.alloc == stock.alloc && stock.alloc != nullptr;
}

} // namespace

const char *find_layout_difference(const ::client *client)
{
    const struct {
        const char *name;
        bool same;
    } checks[] = {
        {"ssl settings", ssl_settings_fit()},
        {"login settings", login_setting_parser_info.struct_size == sizeof(login_settings)},
        {"list_type", client->list_type == CLIENT_LIST_TYPE_ACTIVE && clients == client},
        {"pool", client->pool != nullptr && client->preproxy_pool != nullptr},
        {"v", has_functions_of_its_protocol(client->v)},
        {"vlast", client->vlast != nullptr},
        {"refcount", client->refcount == 1},
        {"set", client->set != nullptr && client->ssl_set != nullptr && client->event != nullptr},
        {"to_disconnect", client->to_disconnect != nullptr},
        {"fd", reads_its_socket(client)},
        {"login_proxy", client->login_proxy == nullptr && client->proxy_password == nullptr},
        {"proxy_ttl", client->proxy_ttl == LOGIN_PROXY_TTL},
        {"auth_request", client->auth_request == nullptr && client->auth_passdb_args == nullptr},
        {"sasl_callback", client->sasl_callback == nullptr},
        {"module_contexts", client->module_contexts.arr.element_size == sizeof(void *)},
        {"virtual_user", client->virtual_user == nullptr && client->alt_usernames == nullptr},
    };
    for (const auto &check : checks) {
        if (!check.same)
            return check.name;
    }
    return nullptr;
}

// Behind it lies a pointer, with which its protocol's structure goes on: that is no odd number.
const char *find_difference_at_login(const ::client *client)
{
    if (!client->create_finished)
        return "create_finished";
    if (client->destroyed)
        return "destroyed";
    return client->authenticating ? nullptr : "authenticating";
}

} // namespace proxymap
