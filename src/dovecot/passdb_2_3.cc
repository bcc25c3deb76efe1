// The passdb interface of Dovecot 2.3; the rest is in passdb.cc.
#include "passdb_branch.h"
#include "passdb_layout.h"

extern "C" {
#include <settings-parser.h>

extern const setting_parser_info auth_passdb_setting_parser_info; // in no header
}

namespace proxymap {

extern "C" {

// Dovecot shares the module among blocks with the same args.
static passdb_module *proxymap_preinit(pool_t pool, const char *args) noexcept
{
    passdb_module *module = nullptr;
    guard("start", [&] {
        if (*args == '\0')
            i_fatal("passdb proxymap: args must name the settings file: `args = "
                    "/etc/dovecot/proxymap.conf.ext`");
        Result<Configuration> configuration = read_configuration(args);
        if (!configuration)
            i_fatal("passdb proxymap: %s", configuration.error().message.c_str());
        module = add_passdb(pool, args, [&] { return make_passdb(std::move(*configuration)); });
    });
    if (module == nullptr)
        i_fatal("passdb proxymap: out of memory");
    return module;
}

} // extern "C"

passdb_module_interface interface = {
    .name = "proxymap",
    .preinit = proxymap_preinit,
    .init = proxymap_init,
    .deinit = proxymap_deinit,
    .verify_plain = proxymap_verify_plain,
    .lookup_credentials = proxymap_lookup_credentials,
    .set_credentials = nullptr,
};

// For all protocols, or for one.
bool settings_fit(const auth_request *request)
{
    unsigned int count;
    auto *list = static_cast<auth *const *>(array_get_i(&auths.arr, &count));
    bool known = request->set == global_auth_settings;
    for (unsigned int i = 0; i < count && !known; i++)
        known = request->set == list[i]->set;
    return known && request->set != nullptr;
}

const char *service_of(const auth_request *request)
{
    return request->fields.service;
}

// mech-gssapi.c sets passdb_success before it asks.
bool lets_in_by_itself(std::string_view mechanism)
{
    return mechanism == "GSSAPI" || mechanism == "GSS-SPNEGO";
}

bool skips_some_logins(const auth_passdb *block)
{
    return *block->set->mechanisms != '\0' || *block->set->username_filter != '\0';
}

std::string find_foreign_field(const auth_passdb *block)
{
    std::string found;
    for (const char *fields : {block->set->default_fields, block->set->override_fields}) {
        const char *const *word = t_strsplit_spaces(fields, " \t\n");
        while (*word != nullptr && is_harmless_field(t_strcut(*word, '=')))
            word++;
        if (*word != nullptr)
            found = t_strcut(*word, '=');
    }
    return found;
}

// Dovecot does it itself.
bool set_block_fields(auth_request *)
{
    return true;
}

// Its login processes multiplex nothing.
void avoid_stall(auth_request *) {}

int verify_password(auth_request *request, const char *plaintext, const char *crypted,
                    const char *scheme)
{
    return auth_request_password_verify(request, plaintext, crypted, scheme, AUTH_SUBSYS_DB);
}

bool login_processes_know(std::string_view mechanism)
{
    // dsasl_clients_init()
    for (std::string_view known : {"EXTERNAL", "PLAIN", "LOGIN", "OAUTHBEARER", "XOAUTH2"}) {
        if (mechanism == known)
            return true;
    }
    return false;
}

auth *find_auth(const char *service)
{
    return auth_find_service(service);
}

const char *service_of(const auth &protocol)
{
    return protocol.service;
}

const auth_settings *settings_of(const auth &protocol)
{
    return protocol.set;
}

bool block_settings_fit()
{
    return has_settings_at(
        auth_passdb_setting_parser_info,
        {
            {"driver", offsetof(auth_passdb_settings, driver)},
            {"default_fields", offsetof(auth_passdb_settings, default_fields)},
            {"override_fields", offsetof(auth_passdb_settings, override_fields)},
            {"mechanisms", offsetof(auth_passdb_settings, mechanisms)},
            {"username_filter", offsetof(auth_passdb_settings, username_filter)},
            {"skip", offsetof(auth_passdb_settings, skip)},
            {"result_success", offsetof(auth_passdb_settings, result_success)},
            {"result_failure", offsetof(auth_passdb_settings, result_failure)},
            {"result_internalfail", offsetof(auth_passdb_settings, result_internalfail)},
            {"deny", offsetof(auth_passdb_settings, deny)},
            {"master", offsetof(auth_passdb_settings, master)},
        });
}

// It has read all of them.
bool block_fits(const auth_passdb &, const auth_passdb_settings &)
{
    return true;
}

} // namespace proxymap
