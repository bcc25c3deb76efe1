// Looks at module files without loading them: one of a login process cannot be loaded here.
#include "check_modules.h"

#include "core/conf_file.h"

#include <algorithm>

namespace proxymap {

namespace {

bool needs_login_plugin_for(const Settings &settings)
{
    return !settings.tls_policies.empty() || !settings.source_pools.empty();
}

bool loads_login_plugin(const Running_protocol &protocol)
{
    const std::vector<std::string_view> words = split_words(protocol.login_plugins);
    return std::find(words.begin(), words.end(), "login_proxy_ext") != words.end();
}

// The settings file that login processes of 2.3 read (login_settings_2_3.cc).
std::string file_of_login_processes(const Running_config &config)
{
    constexpr std::string_view name = "PROXYMAP_CONFIG=";
    for (const std::string_view word : split_words(config.import_environment)) {
        if (word.starts_with(name))
            return std::string(word.substr(name.size()));
    }
    return "/etc/dovecot/proxymap.conf.ext";
}

bool is_digit(std::string_view text)
{
    return !text.empty() && text.front() >= '0' && text.front() <= '9';
}

} // namespace

// Each module has the string as a whole: behind its ..._version there stands a pointer to it.
std::string find_abi(std::string_view bytes)
{
    constexpr std::string_view middle = ".ABIv";
    constexpr std::size_t max_bytes = 64;
    for (std::size_t at = bytes.find(middle); at != std::string_view::npos;
         at = bytes.find(middle, at + 1)) {
        std::size_t start = at;
        while (start > 0 && at - start < max_bytes && bytes[start - 1] != '\0')
            start--;
        const std::string_view text =
            bytes.substr(start, bytes.substr(start, max_bytes + 1).find('\0'));
        const std::string_view number =
            text.substr(std::min(at - start + middle.size(), text.size()));
        const bool is_whole = text.size() <= max_bytes && is_digit(text) && is_digit(number) &&
                              text.find(' ') == std::string_view::npos &&
                              (number.find('(') == std::string_view::npos || number.ends_with(')'));
        if (is_whole)
            return std::string(text);
    }
    return {};
}

bool same_abi(std::string_view module, std::string_view dovecot)
{
    return module.substr(0, module.find('(')) == dovecot.substr(0, dovecot.find('('));
}

std::vector<Module_file> read_modules(const Running_config &config, const Settings &settings)
{
    std::vector<Module_file> modules = {
        {config.module_dir + "/auth/libauthdb_proxymap.so", "auth does not start", {}}};
    if (config.is_2_4)
        modules.push_back({config.module_dir + "/settings/libproxymap_settings.so",
                           "Dovecot knows no setting of proxymap's",
                           {}});
    const bool wanted = std::any_of(config.protocols.begin(), config.protocols.end(),
                                    [](const Running_protocol &protocol) {
                                        return protocol.is_login() && loads_login_plugin(protocol);
                                    });
    if (wanted || needs_login_plugin_for(settings))
        modules.push_back(
            {config.login_plugin_dir + "/lib10_login_proxy_ext_plugin.so",
             wanted ? "no login process starts" : "no route can have a TLS policy or a source pool",
             {}});
    for (Module_file &module : modules) {
        if (const Result<std::string> bytes = read_file(module.path, std::size_t{64} << 20U))
            module.abi = find_abi(*bytes);
    }
    return modules;
}

void check_modules(const std::vector<Module_file> &modules, const Running_config &config,
                   Check_findings &findings)
{
    for (const Module_file &module : modules) {
        if (!module.abi)
            findings.error("module " + module.path,
                           "it is not there, or cannot be read: " + module.what_fails,
                           "install the package of proxymap for this Dovecot again");
        else if (!same_abi(*module.abi, config.abi))
            findings.error("module " + module.path,
                           "it was built for another Dovecot (" +
                               (module.abi->empty() ? "it does not say which" : *module.abi) +
                               "; this one is " + config.abi + "): " + module.what_fails,
                           "install the package of proxymap for this Dovecot");
    }
}

void check_login_plugins(const Running_config &config, const Settings &settings,
                         Check_findings &findings)
{
    if (!needs_login_plugin_for(settings))
        return;
    for (const Running_protocol &protocol : config.protocols) {
        if (!protocol.is_login() || !settings.backend_services.contains(
                                        parse_service(protocol.name).value_or(Service::any)))
            continue;
        if (!loads_login_plugin(protocol)) {
            findings.error("protocol " + protocol.name,
                           "login_plugins does not name login_proxy_ext: logins whose route has a "
                           "TLS policy fail, and source pools are not used",
                           "add login_proxy_ext to login_plugins");
            continue;
        }
        if (config.is_2_4)
            continue;
        if (const std::string file = file_of_login_processes(config); file != settings.path)
            findings.error(
                "import_environment",
                "login processes read their settings from " + file + ", auth from " + settings.path,
                "set import_environment = $import_environment PROXYMAP_CONFIG=" + settings.path);
    }
}

} // namespace proxymap
