// The passdb interface of Dovecot 2.4; the rest is in passdb.cc.
#include "native_settings.h"
#include "passdb_branch.h"
#include "passdb_layout.h"

extern "C" {
#include <istream-private.h>
#include <settings-parser.h>
#include <settings.h>
}

namespace proxymap {

namespace {

// One text for all that was read, to tell equal settings by.
std::string fingerprint(const Conf_section &section)
{
    std::string text = section.type + "\n" + section.name + "\n";
    for (const Conf_entry &entry : section.entries)
        text += entry.name + "=" + entry.value + "\n";
    for (const Conf_section &inner : section.sections)
        text += fingerprint(inner);
    return text;
}

Result<Configuration> configuration_of(const Conf_section &native)
{
    Result<Settings> settings = make_settings(native, native_settings_path);
    if (!settings)
        return settings.error();
    return complete_configuration(std::move(*settings));
}

// Fills module_r. Error: what auth ends with.
Result<Done> preinit(pool_t pool, event *event, passdb_module **module_r)
{
    Result<Conf_section> native = read_native_settings(event);
    if (!native)
        return native.error();
    // Before it is known whether another block has the same: each must be right by itself.
    Result<Configuration> configuration = configuration_of(*native);
    if (!configuration)
        return configuration.error();
    *module_r = add_passdb(pool, fingerprint(*native),
                           [&] { return make_passdb(std::move(*configuration)); });
    return Done{};
}

} // namespace

// Called for each block of each protocol.
static int proxymap_preinit(pool_t pool, event *event, passdb_module **module_r,
                            const char **error_r) noexcept
{
    *module_r = nullptr;
    *error_r = "out of memory";
    guard("start", [&] {
        if (Result<Done> done = preinit(pool, event, module_r); !done)
            *error_r = t_strdup(done.error().message.c_str());
    });
    return *module_r == nullptr ? -1 : 0;
}

// As Dovecot 2.4.5 calls it. The cache that it offers would hide a move for an hour.
[[maybe_unused]] static int proxymap_preinit(pool_t pool, event *event,
                                             const struct passdb_parameters *,
                                             passdb_module **module_r,
                                             const char **error_r) noexcept
{
    return proxymap_preinit(pool, event, module_r, error_r);
}

// Takes the preinit that has its type.
passdb_module_interface interface = [] {
    passdb_module_interface filled = {};
    filled.name = "proxymap";
    filled.preinit = proxymap_preinit;
    filled.init = proxymap_init;
    filled.deinit = proxymap_deinit;
    filled.verify_plain = proxymap_verify_plain;
    filled.lookup_credentials = proxymap_lookup_credentials;
    return filled;
}();

// auth_request_passdb_lookup_begin() sets those of the block.
bool settings_fit(const auth_request *request)
{
    unsigned int count;
    auto *list = static_cast<auth *const *>(array_get_i(&auths.arr, &count));
    bool known = request->protocol_set == global_auth_settings;
    for (unsigned int i = 0; i < count && !known; i++)
        known = request->protocol_set == list[i]->protocol_set;
    return known && request->protocol_set != nullptr && request->set != nullptr &&
           request->set == request->passdb->auth_set;
}

const char *service_of(const auth_request *request)
{
    return request->fields.protocol;
}

// mech-gssapi.c, mech-oauth2.c and db-oauth2.c set passdb_success before they ask.
bool lets_in_by_itself(std::string_view mechanism)
{
    return mechanism == "GSSAPI" || mechanism == "GSS-SPNEGO" || mechanism == "XOAUTH2" ||
           mechanism == "OAUTHBEARER";
}

bool skips_some_logins(const auth_passdb *block)
{
    return block->mechanisms_filter != nullptr || block->username_filter != nullptr;
}

// Names and values in turn; none: an empty array.
static std::vector<std::string_view> fields_of(const auth_passdb *block)
{
    const auto &fields = block->unexpanded_post_set->fields;
    if (!array_is_created(&fields))
        return {};
    unsigned int count;
    auto *list = static_cast<const char *const *>(array_get_i(&fields.arr, &count));
    return {list, list + count};
}

std::string find_foreign_field(const auth_passdb *block)
{
    const std::vector<std::string_view> fields = fields_of(block);
    for (std::size_t i = 0; i < fields.size(); i += 2) {
        if (!is_harmless_field(fields[i]))
            return std::string(fields[i]);
    }
    return {};
}

// Up to 2.4.1 a stream over the TLS stream of a backend does not ask it for what it holds already,
// so what the backend has sent waits there until more comes: i_stream_read() in lib/istream.c,
// mended by this member. IMAP's multiplexing is such a stream, and this field switches it off.
template <typename Stream> constexpr bool asks_for_held_input = requires(Stream stream)
{
    stream.io_pending_until_read;
};

void avoid_stall(auth_request *request)
{
    if (asks_for_held_input<istream_private>)
        return;
    auth_fields *fields = request->fields.extra_fields;
    if (auth_fields_exists(fields, "ssl") || auth_fields_exists(fields, "starttls"))
        auth_request_set_field(request, "proxy_no_multiplex", "", nullptr);
}

bool set_block_fields(auth_request *request)
{
    return fields_of(request->passdb).empty() ||
           auth_request_set_passdb_fields(request, nullptr) == 0;
}

int verify_password(auth_request *request, const char *plaintext, const char *crypted,
                    const char *scheme)
{
    switch (auth_request_db_password_verify(request, plaintext, crypted, scheme)) {
    case PASSDB_RESULT_OK:
        return 1;
    case PASSDB_RESULT_PASSWORD_MISMATCH:
        return 0;
    default:
        return -1;
    }
}

bool login_processes_know(std::string_view mechanism)
{
    // dsasl_clients_init()
    for (std::string_view known :
         {"ANONYMOUS", "EXTERNAL", "PLAIN", "LOGIN", "OAUTHBEARER", "XOAUTH2", "SCRAM-SHA-1",
          "SCRAM-SHA-1-PLUS", "SCRAM-SHA-256", "SCRAM-SHA-256-PLUS"}) {
        if (mechanism == known)
            return true;
    }
    return false;
}

auth *find_auth(const char *service)
{
    return auth_find_protocol(service);
}

const char *service_of(const auth &protocol)
{
    return protocol.protocol;
}

const auth_settings *settings_of(const auth &protocol)
{
    return protocol.protocol_set;
}

bool block_settings_fit()
{
    return has_settings_at(
               auth_passdb_setting_parser_info,
               {
                   {"passdb_name", offsetof(auth_passdb_settings, name)},
                   {"passdb_driver", offsetof(auth_passdb_settings, driver)},
                   {"passdb_mechanisms_filter", offsetof(auth_passdb_settings, mechanisms_filter)},
                   {"passdb_username_filter", offsetof(auth_passdb_settings, username_filter)},
                   {"passdb_skip", offsetof(auth_passdb_settings, skip)},
                   {"passdb_result_success", offsetof(auth_passdb_settings, result_success)},
                   {"passdb_result_failure", offsetof(auth_passdb_settings, result_failure)},
                   {"passdb_result_internalfail",
                    offsetof(auth_passdb_settings, result_internalfail)},
                   {"passdb_deny", offsetof(auth_passdb_settings, deny)},
                   {"passdb_master", offsetof(auth_passdb_settings, master)},
               }) &&
           has_settings_at(auth_passdb_post_setting_parser_info,
                           {{"passdb_fields", offsetof(auth_passdb_post_settings, fields)}});
}

// Filters are there when the settings have some; the other settings are readable.
bool block_fits(const auth_passdb &block, const auth_passdb_settings &set)
{
    const bool has_mechanisms =
        array_is_created(&set.mechanisms_filter) && array_count_i(&set.mechanisms_filter.arr) > 0;
    const std::optional<std::string> users = copy_foreign_text(set.username_filter);
    auth_settings own;
    auth_passdb_post_settings post;
    return block.name == set.name && (block.mechanisms_filter != nullptr) == has_mechanisms &&
           users && (block.username_filter != nullptr) == !users->empty() &&
           copy_foreign(block.auth_set, own) && copy_foreign(block.unexpanded_post_set, post);
}

} // namespace proxymap
