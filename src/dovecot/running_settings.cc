// What a printed configuration says, without asking anybody; see running_config.h.
#include "running_config.h"

#include "../core/settings.h"

namespace proxymap {

std::uint64_t parse_doveconf_size(std::string_view text)
{
    std::string word(text);
    std::erase(word, ' ');
    if (word.ends_with('B') && word.size() > 1)
        word.pop_back();
    return parse_size(word).ok() ? *parse_size(word) : 0;
}

namespace {

// ssl_client_<name>. What is set, 2.4 prints as `ssl_client { <name> = ... }`, and what it would be
// otherwise as ssl_client_<name>.
std::string ssl_client_value(const Doveconf_block &configuration, const std::string &name)
{
    const Doveconf_block *block = configuration.find("ssl_client", "");
    for (const std::string &key : {name, "ssl_client_" + name}) {
        if (block != nullptr && !block->value(key).empty())
            return block->value(key);
    }
    return configuration.value("ssl_client_" + name);
}

// 2.3 says `ssl_ca = </etc/ca.pem`, and its login processes know no other CA; 2.4 names the file.
std::string client_ca_file(const Doveconf_block &configuration, bool is_2_4)
{
    if (is_2_4)
        return ssl_client_value(configuration, "ca_file");
    const std::string ca = configuration.value("ssl_ca");
    return ca.starts_with("</") ? ca.substr(1) : "";
}

std::uint64_t auth_vsz_limit(const Doveconf_block &configuration)
{
    std::string limit = configuration.value("default_vsz_limit");
    if (const Doveconf_block *auth = configuration.find("service", "auth")) {
        // 2.3 prints the largest number for a service that has no limit of its own.
        const std::string own = auth->value("vsz_limit");
        if (!own.empty() && !own.starts_with("18446744073709551615"))
            limit = own;
    }
    return parse_doveconf_size(limit);
}

} // namespace

Running_config make_running_config(const Doveconf_block &configuration, bool is_2_4)
{
    Running_config config;
    config.is_2_4 = is_2_4;
    config.base_dir = configuration.value("base_dir");
    config.login_plugin_dir = configuration.value("login_plugin_dir");
    config.auth_cache_size = parse_doveconf_size(configuration.value("auth_cache_size"));
    config.auth_cache_ttl = configuration.value("auth_cache_ttl");
    config.auth_vsz_limit = auth_vsz_limit(configuration);
    config.import_environment = configuration.value("import_environment");
    config.client_ca_file = client_ca_file(configuration, is_2_4);
    config.requires_valid_cert = ssl_client_value(configuration, "require_valid_cert") != "no";
    return config;
}

Running_protocol make_running_protocol(const std::string &name, const Doveconf_block &configuration)
{
    Running_protocol protocol;
    protocol.name = name;
    protocol.passdbs = read_auth_blocks(configuration, "passdb");
    protocol.userdbs = read_auth_blocks(configuration, "userdb");
    protocol.mechanisms = configuration.value("auth_mechanisms");
    protocol.master_user_separator = configuration.value("auth_master_user_separator");
    protocol.login_plugins = configuration.value("login_plugins");
    protocol.login_source_ips = configuration.value("login_source_ips");
    protocol.lmtp_proxy = configuration.is_yes("lmtp_proxy");
    return protocol;
}

} // namespace proxymap
