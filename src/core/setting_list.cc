// Every setting once: name, type, default, help, and what its value may be.
//
// Must never take a value that it does not understand as a whole: half a list of stores is another
// map.
#include "setting_list.h"

#include "conf_value.h"
#include "key.h"
#include "text.h"

#include <algorithm>
#include <array>

namespace proxymap {

namespace {

template <typename Number>
Result<Done> set_time(std::string_view value, std::string_view least, std::string_view most,
                      Number *time_r)
{
    Result<std::uint64_t> msecs = parse_time_between(value, least, most);
    if (!msecs)
        return msecs.error();
    *time_r = static_cast<Number>(*msecs);
    return Done{};
}

Result<Done> set_size(std::string_view value, std::string_view least, std::string_view most,
                      std::uint64_t *bytes_r)
{
    Result<std::uint64_t> bytes = parse_size(value);
    if (!bytes)
        return bytes.error();
    if (*bytes < *parse_size(least) || *bytes > *parse_size(most))
        return must_be(std::string(least) + " to " + std::string(most));
    *bytes_r = *bytes;
    return Done{};
}

// Absolute, for auth's working folder is nobody's business. Empty: unset.
Result<Done> set_path(std::string_view value, std::string *path_r)
{
    if (!value.empty() && value.front() != '/')
        return must_be("an absolute path");
    *path_r = value;
    return Done{};
}

Result<Done> set_name(std::string_view value, std::string *name_r)
{
    if (!value.empty() && !is_conf_name(value))
        return must_be("a name of 1 to 64 letters, digits, and . _ -");
    *name_r = value;
    return Done{};
}

Result<Done> set_name_space(Settings &settings, std::string_view value)
{
    auto allowed = [](char c) { return c != '.' && is_conf_name(std::string_view(&c, 1)); };
    if (value.empty() || value.size() > max_namespace_bytes ||
        !std::all_of(value.begin(), value.end(), allowed))
        return must_be("1 to 32 letters, digits, and _ -");
    settings.name_space = value;
    return Done{};
}

Result<Done> set_table(Settings &settings, std::string_view value)
{
    if (value.empty())
        return must_be("an absolute path");
    return set_path(value, &settings.table);
}

Result<Done> set_stores(Settings &settings, std::string_view value)
{
    std::vector<Store_address> stores;
    for (std::string_view word : split_words(value)) {
        Result<Store_address> store = parse_store_address(word);
        if (!store)
            return store.error();
        if (std::find(stores.begin(), stores.end(), *store) != stores.end())
            return Error{"the store " + quote(word) + " is named twice"};
        stores.push_back(std::move(*store));
    }
    if (stores.empty())
        return Error{"at least one store is needed: lmdb, memcached:HOST:PORT, "
                     "memcached:[IPv6]:PORT or memcached:/path/to/socket"};
    settings.stores = std::move(stores);
    return Done{};
}

Result<Done> set_proxies(Settings &settings, std::string_view value)
{
    std::vector<Proxy_address> proxies;
    for (std::string_view word : split_words(value)) {
        Result<Proxy_address> proxy = parse_proxy_address(word);
        if (!proxy)
            return proxy.error();
        for (const Proxy_address &other : proxies) {
            if (other.name == proxy->name)
                return Error{"the proxy " + quote(proxy->name) + " is named twice"};
            // One of them would be taken for the other, and its sessions would go on.
            if (proxy->has_address() && other.host == proxy->host && other.port == proxy->port &&
                other.path == proxy->path)
                return Error{"the proxies " + quote(other.name) + " and " + quote(proxy->name) +
                             " have the same address"};
        }
        proxies.push_back(std::move(*proxy));
    }
    settings.proxies = std::move(proxies);
    return Done{};
}

Result<Done> set_key_case(Settings &settings, std::string_view value)
{
    if (value != "lower" && value != "keep")
        return must_be("lower or keep");
    settings.key_case = value == "keep" ? Key_case::keep : Key_case::lower;
    return Done{};
}

Result<Done> set_verify(Settings &settings, std::string_view value)
{
    if (value == "backend")
        settings.verify = Verify::backend;
    else if (value == "map")
        settings.verify = Verify::map;
    else if (value == "none")
        settings.verify = Verify::none;
    else
        return must_be("backend, map or none");
    return Done{};
}

// MUST be services that proxy, and nothing else: any password succeeds for these under verify =
// backend, so that smtp in this list would make Postfix an open relay.
Result<Done> set_backend_services(Settings &settings, std::string_view value)
{
    const std::string allowed = "imap, pop3, submission, sieve (or managesieve) and lmtp";
    std::set<Service> services;
    for (std::string_view word : split_words(value)) {
        std::optional<Service> service = parse_service(word);
        if (!service || *service == Service::any)
            return Error{quote(word) + " is no service that proxies; these are " + allowed};
        services.insert(*service);
    }
    if (services.empty())
        return Error{"at least one service is needed, of " + allowed};
    settings.backend_services = std::move(services);
    return Done{};
}

Result<Done> set_lmtp_missing(Settings &settings, std::string_view value)
{
    if (value != "tempfail" && value != "local")
        return must_be("tempfail or local");
    settings.lmtp_missing = value == "local" ? Lmtp_missing::local : Lmtp_missing::tempfail;
    return Done{};
}

Result<Done> set_allow_fields(Settings &settings, std::string_view value)
{
    std::set<Field_id> fields;
    for (std::string_view word : split_words(value)) {
        Result<Field_name> field = parse_field_name(word);
        if (!field || field->service != Service::any || !field_needs_permission(field->id)) {
            std::string allowed;
            for (auto id = Field_id::backend; id <= Field_id::user_prefix;
                 id = static_cast<Field_id>(static_cast<unsigned>(id) + 1)) {
                if (field_needs_permission(id))
                    allowed += (allowed.empty() ? "" : ", ") + std::string(to_string(id));
            }
            return Error{quote(word) + " is no field that can be allowed; these are " + allowed};
        }
        fields.insert(field->id);
    }
    settings.allow_fields = std::move(fields);
    return Done{};
}

Result<Done> set_default_tls(Settings &settings, std::string_view value)
{
    if (!check_field_value(Field_id::tls, "tls", value))
        return must_be("no, starttls, starttls-any-cert, ssl or ssl-any-cert");
    settings.default_tls = value;
    return Done{};
}

constexpr std::array table = {
    // ---- the map
    Setting{{"namespace", "string", "pm", "auth, tool",
             "first part of each key in memcached, so that several maps can share one server"},
            set_name_space},
    Setting{{"table", "string", "/var/lib/dovecot-proxymap", "auth, tool",
             "folder of the table, the embedded LMDB map"},
            set_table},
    Setting{{"table_max_size", "size", "1G", "auth, tool",
             "address space for the table, which cannot grow beyond it"},
            [](Settings &settings, std::string_view value) {
                return set_size(value, "1M", "1T", &settings.table_max_size);
            }},
    Setting{{"stores", "list", "lmdb", "auth, tool", "where records are looked up, in this order"},
            set_stores},
    Setting{{"key_case", "one of: lower | keep", "lower", "auth, tool",
             "whether names are folded to lower case before they are compared"},
            set_key_case},
    Setting{{"seal_keys_file", "string", "", "auth, tool",
             "file with the keys that seal records in memcached"},
            [](Settings &settings, std::string_view value) {
                return set_path(value, &settings.seal_keys_file);
            }},
    Setting{{"require_seal", "bool", "no", "auth, tool",
             "whether a record from memcached without a valid seal is refused"},
            [](Settings &settings, std::string_view value) {
                return assign(parse_yes_no(value), &settings.require_seal);
            }},
    // ---- the fleet
    Setting{{"proxy_name", "string", "", "auth, tool",
             "what this proxy is called in its reports and in proxies; empty: the host's name"},
            [](Settings &settings, std::string_view value) {
                return set_name(value, &settings.proxy_name);
            }},
    Setting{{"proxies", "list", "", "tool",
             "the fleet's login proxies, and where the doveadm of each listens"},
            set_proxies},
    // ---- logins
    Setting{{"verify", "one of: backend | map | none", "backend", "auth",
             "who checks the password: the backend, the record, or another passdb"},
            set_verify},
    Setting{{"backend_services", "list", "imap pop3 submission sieve lmtp", "auth",
             "services that verify = backend answers; any other is refused"},
            set_backend_services},
    Setting{{"lmtp_missing", "one of: tempfail | local", "tempfail", "auth",
             "what LMTP does with a recipient who has no record"},
            set_lmtp_missing},
    Setting{{"allow_fields", "list", "", "auth, tool",
             "fields that a record may hold only when they are named here"},
            set_allow_fields},
    Setting{{"credentials_file", "string", "", "auth",
             "file with the credentials that the proxy itself logs in with"},
            [](Settings &settings, std::string_view value) {
                return set_path(value, &settings.credentials_file);
            }},
    Setting{{"default_credential", "string", "", "auth",
             "credential for records that have neither a credential nor a pass"},
            [](Settings &settings, std::string_view value) {
                return set_name(value, &settings.default_credential);
            }},
    Setting{{"default_tls", "one of: no | starttls | starttls-any-cert | ssl | ssl-any-cert", "no",
             "auth", "TLS towards backends whose record has no tls"},
            set_default_tls},
    Setting{{"default_tls_policy", "string", "", "auth",
             "TLS policy for records that have no tls_policy"},
            [](Settings &settings, std::string_view value) {
                return set_name(value, &settings.default_tls_policy);
            }},
    Setting{{"default_source_pool", "string", "", "auth",
             "source pool for records that have no source"},
            [](Settings &settings, std::string_view value) {
                return set_name(value, &settings.default_source_pool);
            }},
    // ---- times and limits
    Setting{{"lookup_timeout", "time", "500ms", "auth",
             "longest that one login waits for all stores together"},
            [](Settings &settings, std::string_view value) {
                return set_time(value, "10ms", "10s", &settings.lookup_timeout);
            }},
    Setting{{"cache_size", "size", "64M", "auth", "most memory that the cache of records takes"},
            [](Settings &settings, std::string_view value) {
                return set_size(value, "1M", "1T", &settings.cache_size);
            }},
    Setting{{"cache_ttl", "time", "1h", "auth", "how long a found record is used without asking"},
            [](Settings &settings, std::string_view value) {
                return set_time(value, "1s", "7d", &settings.cache_ttl);
            }},
    Setting{{"cache_negative_ttl", "time", "10s", "auth",
             "how long a proven miss is used without asking"},
            [](Settings &settings, std::string_view value) {
                return set_time(value, "0", "1h", &settings.cache_negative_ttl);
            }},
    Setting{{"cache_stale_ttl", "time", "1d", "auth",
             "how long a record is used while no store answers"},
            [](Settings &settings, std::string_view value) {
                return set_time(value, "0", "30d", &settings.cache_stale_ttl);
            }},
    Setting{{"breaker_failures", "number", "3", "auth",
             "failures in a row after which a memcached server is left alone for a while"},
            [](Settings &settings, std::string_view value) {
                return assign(parse_number(value, 1, 100), &settings.breaker_failures);
            }},
    Setting{
        {"breaker_pause", "time", "1s", "auth", "how long a memcached server is then left alone"},
        [](Settings &settings, std::string_view value) {
            return set_time(value, "100ms", "60s", &settings.breaker_pause);
        }},
};

} // namespace

std::span<const Setting> settings_table()
{
    return table;
}

const std::vector<Setting_info> &setting_list()
{
    static const std::vector<Setting_info> list = [] {
        std::vector<Setting_info> infos;
        infos.reserve(table.size());
        for (const Setting &setting : table)
            infos.push_back(setting.info);
        return infos;
    }();
    return list;
}

} // namespace proxymap
