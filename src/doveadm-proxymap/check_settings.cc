#include "check_settings.h"

#include "login-proxy-ext/policy_material.h"

#include <algorithm>

namespace proxymap {

namespace {

std::string megabytes(std::uint64_t bytes)
{
    return std::to_string((bytes + (1U << 20U) - 1) >> 20U) + "M";
}

// What opens the table asks for the map and 128 MB beside it (lmdb_files.cc); a large cache needs
// more than that.
void check_memory(const Running_config &config, const Settings &settings, Check_findings &findings)
{
    constexpr std::uint64_t room_beside_map = 128ULL << 20U;
    constexpr std::uint64_t room_beside_cache = 64ULL << 20U;
    const bool has_table =
        std::any_of(settings.stores.begin(), settings.stores.end(), [](const Store_address &store) {
            return store.type == Store_address::Type::lmdb;
        });
    const std::uint64_t needed = (has_table ? settings.table_max_size : 0) +
                                 std::max(room_beside_map, settings.cache_size + room_beside_cache);
    if (config.auth_vsz_limit != 0 && config.auth_vsz_limit < needed)
        findings.error("service auth",
                       "vsz_limit is " + megabytes(config.auth_vsz_limit) + ", but " +
                           (has_table ? "table_max_size and " : "") + "cache_size need " +
                           megabytes(needed) +
                           ": auth cannot open the table, or runs out of memory",
                       "set service auth { vsz_limit = " + megabytes(needed) + " }, or more");
}

} // namespace

void check_settings(const Running_config &config, const Settings &settings,
                    Check_findings &findings)
{
    check_memory(config, settings, findings);
    for (const Running_protocol &protocol : config.protocols) {
        if (protocol.is_login() && !protocol.login_source_ips.empty() &&
            !settings.source_pools.empty())
            findings.warning("login_source_ips",
                             "it is set beside source pools: routes with a pool do not use it, "
                             "and those without one share its addresses uncounted",
                             "name a default_source_pool, and take login_source_ips out");
    }
    if (!config.requires_valid_cert)
        findings.warning("ssl_client_require_valid_cert",
                         "no: the certificate of a backend whose route has TLS and no tls_policy "
                         "is not verified",
                         "set it to yes, or give routes a tls_policy (default_tls_policy)");
    if (settings.default_tls.ends_with("-any-cert"))
        findings.warning("default_tls",
                         settings.default_tls + ": the certificates of backends are not verified",
                         "use " + settings.default_tls.substr(0, settings.default_tls.find('-')) +
                             ", and a tls_policy with the CA of the backends");
}

void check_policies(const Settings &settings, std::int64_t now, Check_findings &findings)
{
    for (const Tls_policy &policy : settings.tls_policies) {
        const std::string subject = "tls_policy " + policy.name;
        const Result<Policy_files> files = read_policy_files(policy);
        const Result<std::vector<std::string>> warnings =
            files ? check_policy_files(policy, *files, now) : files.error();
        if (!warnings) {
            findings.error(subject, warnings.error().message,
                           "mend the file: logins whose route has this policy fail");
            continue;
        }
        for (const std::string &warning : *warnings)
            findings.warning(subject, warning, "renew the file, and reload Dovecot");
    }
}

} // namespace proxymap
