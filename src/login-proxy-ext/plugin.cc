// The login plugin as Dovecot loads it: `login_plugins = login_proxy_ext`.
//
// init runs as root, before the process is chrooted, and with service_count = 1 for every login:
// files are read here, and nothing is parsed that a login may not need.
#include "login_proxy_ext.h"

#include "../dovecot/dns.h"
#include "../dovecot/log.h"
#include "../dovecot/settings_source.h"

#include "../dovecot/dovecot.h"

#include <exception>
#include <utility>

namespace proxymap {

namespace {

// Relative to base_dir, in which a login process is before its chroot.
constexpr const char *counts_path = "proxymap-sources";

// Outlives the plugin's Sources.
std::unique_ptr<Resolver> resolver;

void warn(const std::string &line)
{
    i_warning("login_proxy_ext: %s", line.c_str());
}

std::shared_ptr<Usage_counts> open_counts(const Settings &settings)
{
    if (settings.source_pools.empty())
        return nullptr;
    Result<std::shared_ptr<Usage_counts>> counts = Usage_counts::open(counts_path);
    if (counts)
        return *counts;
    i_error("login_proxy_ext: this process counts the connections of each source for itself: %s",
            counts.error().message.c_str());
    return nullptr;
}

Result<Login_settings> read_all()
{
    Result<Settings> settings = read_login_process_settings();
    if (!settings)
        return settings.error();
    return with_files(std::move(*settings));
}

void start(::module *dovecot_module)
{
    Result<Login_settings> settings = read_all();
    if (!settings)
        i_error("login_proxy_ext: %s; logins whose route has a TLS policy or a source pool fail "
                "for the time being",
                settings.error().message.c_str());

    std::unique_ptr<Sources> sources;
    if (settings) {
        if (!settings->settings.tls_policies.empty()) {
            if (Result<Done> done = load_tls_module(); !done)
                i_error("login_proxy_ext: no TLS towards backends: %s",
                        done.error().message.c_str());
        }
        resolver = make_dns_resolver();
        sources = std::make_unique<Sources>(settings->settings.source_pools,
                                            open_counts(settings->settings),
                                            Sources::Surroundings{resolver.get(), {}, {}, warn});
    }
    install_login_plugin(
        dovecot_module, std::make_unique<Login_proxy_ext>(std::move(settings), std::move(sources)));
}

} // namespace

} // namespace proxymap

// Dovecot's module_dir_load() looks for these names; they come from the file's.
PROXYMAP_EXPORT void login_proxy_ext_plugin_init(struct module *dovecot_module) noexcept
{
    try {
        proxymap::start(dovecot_module);
    } catch (const std::exception &error) {
        i_fatal("login_proxy_ext: %s", error.what());
    }
}

PROXYMAP_EXPORT void login_proxy_ext_plugin_deinit(void) noexcept
{
    proxymap::remove_login_plugin();
    proxymap::resolver.reset();
}

PROXYMAP_EXPORT const char *login_proxy_ext_plugin_version;
const char *login_proxy_ext_plugin_version = DOVECOT_ABI_VERSION;
