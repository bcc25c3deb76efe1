// What a passdb is on both branches: its requests, its blocks. passdb_2_3.cc and passdb_2_4.cc have
// the rest, by passdb_branch.h.
//
// Debian changes struct layouts under an unchanged ABI string. So nothing is believed before the
// layout has been probed (passdb_layout.h), and of a request not before it fits too: block pointers
// must be among those found at start, and pointers that Dovecot handed us by argument must stand
// where the headers say.
#include "passdb_branch.h"

#include "log.h"
#include "passdb_layout.h"

namespace proxymap {

namespace {

passdb_result to_dovecot(Verdict verdict)
{
    switch (verdict) {
    case Verdict::ok:
        return PASSDB_RESULT_OK;
    case Verdict::next:
        return PASSDB_RESULT_NEXT;
    case Verdict::user_unknown:
        return PASSDB_RESULT_USER_UNKNOWN;
    case Verdict::user_disabled:
        return PASSDB_RESULT_USER_DISABLED;
    case Verdict::password_mismatch:
        return PASSDB_RESULT_PASSWORD_MISMATCH;
    case Verdict::scheme_not_available:
        return PASSDB_RESULT_SCHEME_NOT_AVAILABLE;
    case Verdict::internal_failure:
        break;
    }
    return PASSDB_RESULT_INTERNAL_FAILURE;
}

// Dovecot puts forward_ in front of what login processes send (login-proxy-ext/auth_reply.h).
constexpr const char *announcement = "forward_proxymap_ext";
constexpr const char *sent_on_announcement = "forward_proxymap_ext_sent_on";

// One passdb, of one block or of several with the same settings.
struct Instance {
    std::string settings;                 // what it was made from
    std::vector<passdb_module *> modules; // one for each block, or one for all
    std::unique_ptr<Passdb> passdb;
    bool started = false;
    std::map<const auth_passdb *, Block_rules> blocks;
};

// Never dies: Dovecot's pools outlive us, requests may come until the very end.
std::vector<std::unique_ptr<Instance>> &instances()
{
    static auto *list = new std::vector<std::unique_ptr<Instance>>; // NOLINT
    return *list;
}

bool is_one_of(const passdb_module *module, const Instance &instance)
{
    return std::find(instance.modules.begin(), instance.modules.end(), module) !=
           instance.modules.end();
}

Instance *find_instance(const passdb_module *module)
{
    for (const auto &instance : instances()) {
        if (is_one_of(module, *instance))
            return instance.get();
    }
    return nullptr;
}

struct Found_block {
    Instance *instance = nullptr;
    const Block_rules *rules = nullptr;
};

// Finds the request's block among those seen at start, without following its pointer.
Found_block find_block(const auth_passdb *block)
{
    for (const auto &instance : instances()) {
        auto it = instance->blocks.find(block);
        if (it != instance->blocks.end())
            return {instance.get(), &it->second};
    }
    return {};
}

// Whether a login's request lies in memory as the probed one does. Each test reads only what the
// tests before it have made safe.
bool layout_fits(auth_request *request)
{
    if (request->refcount < 1 || request->refcount > 1000 || request->pool == nullptr)
        return false;
    if (request->state != AUTH_REQUEST_STATE_PASSDB ||
        find_block(request->passdb).instance == nullptr)
        return false;
    if (!settings_fit(request))
        return false;
    if (request->last_access <= 0 || request->last_access > ioloop_time + 86400)
        return false;
    return request->fields.user != nullptr && service_of(request) != nullptr &&
           request->fields.extra_fields != nullptr &&
           null_strcmp(event_find_field_recursive_str(request->event, "user"),
                       request->fields.user) == 0;
}

enum class Layout : std::uint8_t { unknown, probed, right, wrong };
Layout layout = Layout::unknown; // of requests

void refuse_layout(const char *field)
{
    layout = Layout::wrong;
    i_error("proxymap: this Dovecot lays out its auth requests otherwise than the headers that "
            "proxymap was built with (" DOVECOT_ABI_VERSION ", found by %s): no login is answered "
            "until it is rebuilt against the installed dovecot-dev",
            field);
}

[[noreturn]] void die_of_layout(const char *what)
{
    i_fatal("proxymap: this Dovecot lays out its %s otherwise than the headers that proxymap was "
            "built with (" DOVECOT_ABI_VERSION "): rebuild it against the installed dovecot-dev",
            what);
}

void probe_requests()
{
    if (layout != Layout::unknown)
        return;
    if (const char *field = find_request_difference(); field != nullptr)
        refuse_layout(field);
    else
        layout = Layout::probed;
}

// True once the layout has been found right; a wrong one is said once.
bool check_layout(auth_request *request)
{
    if (layout == Layout::probed) {
        if (layout_fits(request))
            layout = Layout::right;
        else
            refuse_layout("the first login");
    }
    return layout == Layout::right;
}

bool goes_on(auth_db_rule rule)
{
    return rule == AUTH_DB_RULE_CONTINUE || rule == AUTH_DB_RULE_CONTINUE_OK ||
           rule == AUTH_DB_RULE_CONTINUE_FAIL;
}

// Whether nobody else is asked of a login that the block fails, or whether one that it cannot judge
// is left as it was.
bool failures_end(const auth_passdb *block)
{
    return !goes_on(block->result_failure) || block->result_internalfail == AUTH_DB_RULE_RETURN;
}

bool lets_in(auth_db_rule rule)
{
    return rule == AUTH_DB_RULE_RETURN_OK || rule == AUTH_DB_RULE_CONTINUE_OK;
}

bool failures_let_in(const auth_passdb *block)
{
    return lets_in(block->result_failure) || lets_in(block->result_internalfail);
}

// Empty: none is enabled.
std::string find_believing_mechanism(const auth *protocol)
{
    for (std::string &name : enabled_mechanisms(protocol)) {
        if (lets_in_by_itself(name))
            return std::move(name);
    }
    return {};
}

// Whether who names a master user before his own name goes through the blocks of masters first.
bool masters_can_be_named(const auth *protocol)
{
    return protocol->masterdbs != nullptr && *settings_of(*protocol)->master_user_separator != '\0';
}

// Remembers the rules of every block in the list that is ours.
// masters: the blocks that a master login goes through first, null for none.
void add_blocks(Instance &instance, const auth *protocol, const auth_passdb *list,
                const auth_passdb *masters, bool is_master)
{
    bool earlier_end_login = false;
    bool earlier_said_ok = false;
    bool earlier_failures_end = false;
    for (const auth_passdb *master = masters; master != nullptr; master = master->next)
        earlier_end_login = earlier_end_login || !goes_on(master->result_success);
    for (const auth_passdb *block = list; block != nullptr; block = block->next) {
        if (is_one_of(block->passdb, instance)) {
            Block_rules rules;
            rules.is_master = is_master;
            rules.is_first = block == list;
            rules.has_next = block->next != nullptr;
            rules.failures_end_login = block->result_failure == AUTH_DB_RULE_RETURN_FAIL &&
                                       block->result_internalfail == AUTH_DB_RULE_RETURN_FAIL;
            rules.outages_end_login = block->result_internalfail == AUTH_DB_RULE_RETURN_FAIL;
            rules.failures_let_in = failures_let_in(block);
            rules.success_goes_on = goes_on(block->result_success);
            rules.believing_mechanism = find_believing_mechanism(protocol);
            rules.masters_can_be_named = masters_can_be_named(protocol);
            rules.skips_some_logins = skips_some_logins(block);
            rules.foreign_field = find_foreign_field(block);
            rules.earlier_said_ok = earlier_said_ok;
            rules.earlier_failures_end = earlier_failures_end;
            rules.skipped_when_authenticated = block->skip == AUTH_PASSDB_SKIP_AUTHENTICATED;
            rules.skipped_when_unauthenticated = block->skip == AUTH_PASSDB_SKIP_UNAUTHENTICATED;
            rules.earlier_end_login = earlier_end_login;
            for (const auth_passdb *other = list; other != nullptr; other = other->next)
                rules.others_let_in =
                    rules.others_let_in || (other != block && failures_let_in(other));
            instance.blocks.emplace(block, rules);
        }
        // A deny block never ends a login with success.
        if (!block->set->deny && !goes_on(block->result_success))
            earlier_end_login = true;
        earlier_failures_end = earlier_failures_end || failures_end(block);
        earlier_said_ok = earlier_said_ok || block->result_success == AUTH_DB_RULE_CONTINUE_OK;
    }
}

} // namespace

passdb_module *add_passdb(pool_t pool, const std::string &settings,
                          const std::function<std::unique_ptr<Passdb>()> &make)
{
    // Dovecot writes to the struct by its own idea of it: leave room for a larger one.
    auto *module = static_cast<passdb_module *>(p_malloc(pool, sizeof(passdb_module) + 256));
    module->default_pass_scheme = default_scheme;
    // default_cache_key stays NULL: Dovecot's auth cache would hide a move for an hour.
    for (const auto &instance : instances()) {
        if (instance->settings == settings && instance->passdb != nullptr) {
            instance->modules.push_back(module);
            return module;
        }
    }
    auto instance = std::make_unique<Instance>();
    instance->settings = settings;
    instance->modules.push_back(module);
    instance->passdb = make();
    instances().push_back(std::move(instance));
    return module;
}

void proxymap_deinit(passdb_module *module) noexcept
{
    guard("stop", [&] {
        Instance *instance = find_instance(module);
        if (instance == nullptr)
            return;
        std::erase(instance->modules, module);
        if (instance->modules.empty())
            instance->passdb.reset();
    });
}

void proxymap_verify_plain(auth_request *request, const char *password,
                           verify_plain_callback_t *callback) noexcept
{
    if (!check_layout(request) || request->mech_password != password) {
        callback(PASSDB_RESULT_INTERNAL_FAILURE, request);
        return;
    }
    // What throws has not answered: answering is the last thing that a passdb does.
    bool done = guard("verify_plain", [&] {
        Found_block found = find_block(request->passdb);
        if (found.instance == nullptr || found.instance->passdb == nullptr)
            callback(PASSDB_RESULT_INTERNAL_FAILURE, request);
        else
            found.instance->passdb->verify_plain(Auth_request(request), *found.rules, password,
                                                 reinterpret_cast<std::uintptr_t>(callback));
    });
    if (!done)
        callback(PASSDB_RESULT_INTERNAL_FAILURE, request);
}

// The callback itself takes other arguments in each release.
static void fail_credentials(lookup_credentials_callback_t *callback, auth_request *request)
{
    passdb_handle_credentials(PASSDB_RESULT_INTERNAL_FAILURE, nullptr, nullptr, callback, request);
}

void proxymap_lookup_credentials(auth_request *request,
                                 lookup_credentials_callback_t *callback) noexcept
{
    if (!check_layout(request)) {
        fail_credentials(callback, request);
        return;
    }
    bool done = guard("lookup_credentials", [&] {
        Found_block found = find_block(request->passdb);
        if (found.instance == nullptr || found.instance->passdb == nullptr)
            fail_credentials(callback, request);
        else
            found.instance->passdb->lookup_credentials(Auth_request(request), *found.rules,
                                                       reinterpret_cast<std::uintptr_t>(callback));
    });
    if (!done)
        fail_credentials(callback, request);
}

void proxymap_init(passdb_module *module) noexcept
{
    if (module->iface.name != interface.name ||
        module->iface.verify_plain != interface.verify_plain ||
        module->iface.lookup_credentials != interface.lookup_credentials)
        die_of_layout("passdb modules");
    if (module->blocking)
        i_fatal("passdb proxymap: its block must not have use_worker = yes: an auth worker has no "
                "cache and no time to look after the map");
    guard("init", [&] {
        Instance *instance = find_instance(module);
        if (instance == nullptr)
            i_fatal("proxymap: Dovecot initialises a passdb that it did not prepare");
        if (std::exchange(instance->started, true))
            return;
        if (const char *what = find_chain_difference(); what != nullptr)
            die_of_layout(what);
        instance->passdb->start(worker);
        auth *const *list;
        unsigned int count;
        list = static_cast<auth *const *>(array_get_i(&auths.arr, &count));
        for (unsigned int i = 0; i < count; i++) {
            add_blocks(*instance, list[i], list[i]->masterdbs, nullptr, true);
            add_blocks(*instance, list[i], list[i]->passdbs, list[i]->masterdbs, false);
        }
        // Dovecot initialises the passdbs of its blocks.
        if (instance->blocks.empty())
            die_of_layout("passdb blocks");
        if (!worker)
            probe_requests();
        for (const auto &[block, rules] : instance->blocks) {
            const std::string complaint = instance->passdb->check_block(rules);
            if (!complaint.empty())
                i_fatal("passdb proxymap: %s", complaint.c_str());
        }
    });
}

std::string_view Auth_request::user() const
{
    return request_->fields.user;
}
std::string_view Auth_request::service() const
{
    return service_of(request_);
}

std::string_view Auth_request::mechanism_name() const
{
    return mechanism_of(request_);
}

Mechanism_class Auth_request::mechanism() const
{
    std::string_view name = mechanism_name();
    if (name == "PLAIN" || name == "LOGIN")
        return Mechanism_class::plaintext;
    if (name == "XOAUTH2" || name == "OAUTHBEARER")
        return Mechanism_class::bearer;
    return Mechanism_class::other;
}

std::string_view Auth_request::verified_token() const
{
    const char *token = nullptr;
    if (mechanism() == Mechanism_class::bearer && request_->mech_password == nullptr)
        token = auth_fields_find(request_->fields.extra_fields, "token");
    return token == nullptr ? std::string_view() : token;
}

bool Auth_request::has_client_password() const
{
    return mechanism() == Mechanism_class::plaintext && request_->mech_password != nullptr;
}

bool Auth_request::wants_master_login() const
{
    return request_->fields.requested_login_user != nullptr;
}

bool Auth_request::is_master_login() const
{
    return request_->fields.master_user != nullptr;
}

bool Auth_request::password_was_verified() const
{
    return request_->fields.skip_password_check;
}

bool Auth_request::was_refused_by_field() const
{
    return request_->failed;
}

bool Auth_request::has_fields() const
{
    return !auth_fields_is_empty(request_->fields.extra_fields);
}

bool Auth_request::login_process_enforces_policies() const
{
    return auth_fields_exists(request_->fields.extra_fields, announcement);
}

bool Auth_request::was_sent_on() const
{
    return auth_fields_exists(request_->fields.extra_fields, sent_on_announcement);
}

void Auth_request::clear_route_fields()
{
    for (const char *name : {"proxy",
                             "proxy_maybe",
                             "proxy_always",
                             "host",
                             "hostip",
                             "port",
                             "protocol",
                             "destuser",
                             "pass",
                             "master",
                             "ssl",
                             "starttls",
                             "nopassword",
                             "nologin",
                             "proxy_mech",
                             "proxy_noauth",
                             "proxy_timeout",
                             "proxy_refresh",
                             "proxy_host_immediate_failure_after",
                             "proxy_not_trusted",
                             "proxy_nopipelining",
                             "proxy_no_multiplex",
                             "proxy_redirect_reauth",
                             "proxymap_mech",
                             "proxymap_reauth",
                             "proxymap_tls",
                             "proxymap_source"})
        auth_fields_remove(request_->fields.extra_fields, name);
}

bool Auth_request::authenticates() const
{
    return !mechanism_name().empty();
}

bool Auth_request::is_self(const std::string &host, const std::string &hostip,
                           const std::string &port) const
{
    ip_addr ip;
    if (net_addr2ip(host.c_str(), &ip) < 0 &&
        (hostip.empty() || net_addr2ip(hostip.c_str(), &ip) < 0))
        return false;
    bool same = net_ip_compare(&ip, &request_->fields.real_local_ip);
    for (const ip_addr *self = request_->set->proxy_self_ips; !same && self->family != 0; self++)
        same = net_ip_compare(&ip, self);
    return same && (port.empty() || port == std::to_string(request_->fields.local_port));
}

void Auth_request::set_field(const std::string &name, const std::string &value)
{
    auth_request_set_field(request_, name.c_str(), value.c_str(), default_scheme);
}

int Auth_request::verify_password(const char *plaintext, const std::string &crypted)
{
    const char *text = crypted.c_str();
    const char *scheme = password_get_scheme(&text);
    return proxymap::verify_password(request_, plaintext, text,
                                     scheme == nullptr ? default_scheme : scheme);
}

event *Auth_request::log_event() const
{
    return authdb_event(request_);
}

Request_hold::Request_hold(const Auth_request &request) : request_(request.get())
{
    auth_request_ref(request_);
}

Request_hold::Request_hold(const Request_hold &other) : request_(other.request_)
{
    auth_request_ref(request_);
}

Request_hold::~Request_hold()
{
    auth_request_unref(&request_);
}

// Those fields that the admin has written into the block, where that is ours to do.
static Verdict with_block_fields(const Auth_request &request, Verdict verdict)
{
    if (verdict != Verdict::ok && verdict != Verdict::next)
        return verdict;
    avoid_stall(request.get());
    return set_block_fields(request.get()) ? verdict : Verdict::internal_failure;
}

void answer_plain(const Auth_request &request, std::uintptr_t answer, Verdict verdict)
{
    // A batch of answers comes within one turn of the loop: each gets a data stack frame.
    T_BEGIN
    {
        reinterpret_cast<verify_plain_callback_t *>(answer)(
            to_dovecot(with_block_fields(request, verdict)), request.get());
    }
    T_END;
}

void answer_credentials(const Auth_request &request, std::uintptr_t answer, Verdict verdict,
                        const char *password)
{
    if (overrules_passdbs(request.get())) {
        // MUST: without a route it fails. Nor does it need a password, which may be of no use.
        password = nullptr;
        if (verdict == Verdict::user_unknown || verdict == Verdict::password_mismatch ||
            verdict == Verdict::scheme_not_available)
            verdict = Verdict::user_disabled;
    }
    const char *scheme = nullptr;
    if (password != nullptr) {
        scheme = password_get_scheme(&password);
        if (scheme == nullptr)
            scheme = default_scheme;
    }
    passdb_handle_credentials(to_dovecot(with_block_fields(request, verdict)), password, scheme,
                              reinterpret_cast<lookup_credentials_callback_t *>(answer),
                              request.get());
}

static struct {
    passdb_module_interface interface;
    void *more[16];
} registered;

} // namespace proxymap

PROXYMAP_EXPORT void authdb_proxymap_init(void)
{
    using namespace proxymap;
    if (const char *what = find_interface_difference(); what != nullptr)
        die_of_layout(what);
    // Dovecot copies as much as its own structure has.
    registered.interface = interface;
    passdb_register_module(&registered.interface);
}
PROXYMAP_EXPORT void authdb_proxymap_deinit(void)
{
    passdb_unregister_module(&proxymap::registered.interface);
}
// Checked by Dovecot when it loads the module.
PROXYMAP_EXPORT const char *authdb_proxymap_version;
const char *authdb_proxymap_version = DOVECOT_ABI_VERSION;
