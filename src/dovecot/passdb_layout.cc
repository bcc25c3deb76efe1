#include "passdb_layout.h"

#include <optional>

#include <dlfcn.h>

extern "C" {
#include <settings-parser.h>
}

namespace proxymap {

namespace {

constexpr int max_blocks = 1000;

bool is_text(const char *text, std::string_view expected)
{
    return copy_foreign_text(text) == expected;
}

bool is_rule(const char *text, auth_db_rule rule)
{
    static constexpr std::pair<std::string_view, auth_db_rule> rules[] = {
        {"return", AUTH_DB_RULE_RETURN},           {"return-ok", AUTH_DB_RULE_RETURN_OK},
        {"return-fail", AUTH_DB_RULE_RETURN_FAIL}, {"continue", AUTH_DB_RULE_CONTINUE},
        {"continue-ok", AUTH_DB_RULE_CONTINUE_OK}, {"continue-fail", AUTH_DB_RULE_CONTINUE_FAIL},
    };
    return std::any_of(std::begin(rules), std::end(rules), [&](const auto &known) {
        return rule == known.second && is_text(text, known.first);
    });
}

bool is_skip(const char *text, auth_passdb_skip skip)
{
    return (skip == AUTH_PASSDB_SKIP_NEVER && is_text(text, "never")) ||
           (skip == AUTH_PASSDB_SKIP_AUTHENTICATED && is_text(text, "authenticated")) ||
           (skip == AUTH_PASSDB_SKIP_UNAUTHENTICATED && is_text(text, "unauthenticated"));
}

// The rules say the same as enums and as text.
bool rules_fit(const auth_passdb &block, const auth_passdb_settings &set)
{
    return is_skip(set.skip, block.skip) && is_rule(set.result_failure, block.result_failure) &&
           is_rule(set.result_internalfail, block.result_internalfail) &&
           // `pass = yes` of 2.3 is another way to say it.
           (is_rule(set.result_success, block.result_success) ||
            block.result_success == AUTH_DB_RULE_CONTINUE);
}

bool blocks_fit(const auth_passdb *at, bool are_masters)
{
    int left = max_blocks;
    for (; at != nullptr && left > 0; left--) {
        auth_passdb block;
        auth_passdb_settings set;
        passdb_module module;
        if (!copy_foreign(at, block) || !copy_foreign(block.set, set) ||
            !copy_foreign(block.passdb, module))
            return false;
        const std::optional<std::string> driver = copy_foreign_text(set.driver);
        if (!driver || driver->empty() || driver != copy_foreign_text(module.iface.name))
            return false;
        if (set.master != are_masters || !rules_fit(block, set) || !block_fits(block, set))
            return false;
        at = block.next;
    }
    return left > 0;
}

// The first is for all protocols that have none of their own.
bool protocol_fits(const auth *at, const auth &protocol, bool is_first)
{
    if (is_first)
        return service_of(protocol) == nullptr && settings_of(protocol) == global_auth_settings;
    const std::optional<std::string> service = copy_foreign_text(service_of(protocol));
    return service && find_auth(service->c_str()) == at && settings_of(protocol) != nullptr;
}

bool has_ip(const ip_addr &ip, const char *expected)
{
    ip_addr wanted;
    return net_addr2ip(expected, &wanted) == 0 && net_ip_compare(&ip, &wanted);
}

// A new request, of which Dovecot has said nothing yet.
const char *find_difference_when_new(const auth_request *request)
{
    const auth_request_fields &fields = request->fields;
    void *pool_of_fields = nullptr; // what stands first in them
    const struct {
        const char *name;
        bool same;
    } checks[] = {
        {"refcount", request->refcount == 1},
        {"pool", request->pool != nullptr},
        {"state", request->state == AUTH_REQUEST_STATE_NEW},
        {"event", request->event != nullptr},
        {"mech_password", request->mech_password == nullptr},
        {"set", request->set == global_auth_settings},
        {"passdb", request->passdb == nullptr},
        {"last_access", request->last_access == ioloop_time},
        {"user", fields.user == nullptr && fields.requested_login_user == nullptr &&
                     fields.master_user == nullptr && service_of(request) == nullptr},
        {"real_local_ip", fields.real_local_ip.family == 0 && fields.local_port == 0},
        {"extra_fields",
         copy_foreign(fields.extra_fields, &pool_of_fields, sizeof(pool_of_fields)) &&
             pool_of_fields == request->pool},
        {"skip_password_check", !fields.skip_password_check},
        {"failed", !request->failed},
    };
    for (const auto &check : checks) {
        if (!check.same)
            return check.name;
    }
    return nullptr;
}

// The same request, after Dovecot's own functions have changed it.
const char *find_difference_when_changed(auth_request *request, const char *service)
{
    const auth &protocol = *find_auth(service);
    auth_request_import(request, "service", service);
    auth_request_init(request);
    for (const auto &[key, value] : std::initializer_list<std::pair<const char *, const char *>>{
             {"user", "probe 1"},
             {"requested-login-user", "probe 2"},
             {"master-user", "probe 3"},
             {"real_lip", "192.0.2.1"},
             {"lip", "192.0.2.2"},
             {"real_lport", "1"},
             {"lport", "2"},
             {"skip-password-check", ""}})
        auth_request_import(request, key, value);
    auth_request_set_field(request, "proxymap_probe", "4", nullptr);
    auth_request_set_field(request, "fail", "", nullptr);
    auth_request_ref(request);

    const auth_request_fields &fields = request->fields;
    const struct {
        const char *name;
        bool same;
    } checks[] = {
        {"refcount", request->refcount == 2},
        {"set", request->set == settings_of(protocol)},
        {"passdb", request->passdb == protocol.passdbs},
        {"user", is_text(fields.user, "probe 1")},
        {"requested_login_user", is_text(fields.requested_login_user, "probe 2")},
        {"master_user", is_text(fields.master_user, "probe 3")},
        {"service", is_text(service_of(request), service)},
        {"real_local_ip", has_ip(fields.real_local_ip, "192.0.2.1")},
        {"local_port", fields.local_port == 2},
        {"extra_fields",
         null_strcmp(auth_fields_find(fields.extra_fields, "proxymap_probe"), "4") == 0},
        {"skip_password_check", fields.skip_password_check},
        {"failed", request->failed},
    };
    const char *found = nullptr;
    for (const auto &check : checks) {
        if (!check.same && found == nullptr)
            found = check.name;
    }
    if (found == nullptr &&
        null_strcmp(event_find_field_recursive_str(request->event, "user"), "probe 1") != 0)
        found = "event";
    auth_request *second = request;
    auth_request_unref(&second);
    return found;
}

// 2.4.5 has no such function any more.
template <typename Interface> bool sets_no_credentials(const Interface &stock)
{
    if constexpr (requires { stock.set_credentials; })
        return stock.set_credentials == nullptr;
    else
        return true;
}

} // namespace

const char *find_interface_difference()
{
    // In no header, and in each Dovecot; it has these two functions, and perhaps a preinit.
    auto *known =
        static_cast<const passdb_module_interface *>(dlsym(RTLD_DEFAULT, "passdb_static"));
    passdb_module_interface stock;
    if (known == nullptr ||
        (copy_foreign(known, stock) && is_text(stock.name, "static") &&
         stock.verify_plain != nullptr && stock.lookup_credentials != nullptr &&
         stock.init == nullptr && stock.deinit == nullptr && sets_no_credentials(stock)))
        return nullptr;
    return "passdb modules";
}

const char *find_chain_difference()
{
    if (auth_setting_parser_info.struct_size != sizeof(auth_settings) ||
        !has_settings_at(
            auth_setting_parser_info,
            {{"auth_master_user_separator", offsetof(auth_settings, master_user_separator)}}))
        return "auth's settings";
    if (!block_settings_fit())
        return "a passdb block's settings";
    if (auths.arr.element_size != sizeof(auth *))
        return "protocols";
    unsigned int count;
    auto *list = static_cast<auth *const *>(array_get_i(&auths.arr, &count));
    for (unsigned int i = 0; i < count; i++) {
        auth protocol;
        if (!copy_foreign(list[i], protocol) || !protocol_fits(list[i], protocol, i == 0))
            return "protocols";
        if (!mechanisms_fit(protocol))
            return "mechanisms";
        if (!blocks_fit(protocol.masterdbs, true) || !blocks_fit(protocol.passdbs, false))
            return "passdb blocks";
    }
    return nullptr;
}

const char *find_request_difference()
{
    unsigned int count;
    auto *list = static_cast<auth *const *>(array_get_i(&auths.arr, &count));
    // Of any name, which may be that of a `protocol !other`; Dovecot wants one with passdbs.
    const char *service = "proxymap";
    for (unsigned int i = 0; i < count && find_auth(service)->passdbs == nullptr; i++) {
        if (service_of(*list[i]) != nullptr)
            service = service_of(*list[i]);
    }
    if (find_auth(service)->passdbs == nullptr)
        return "protocols";
    auth_request *request = make_request(auth_event);
    const char *found = find_difference_when_new(request);
    if (found == nullptr)
        found = find_difference_when_changed(request, service);
    auth_request_unref(&request);
    return found;
}

} // namespace proxymap
