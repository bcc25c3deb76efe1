// The configuration of the Dovecot that doveadm belongs to, as far as it matters to a proxy, read
// from doveconf(1) and from the system: what stands in the files now, which is what runs after the
// next reload.
#pragma once

#include "../core/result.h"
#include "auth_chain.h"

#include <cstdint>
#include <string>
#include <vector>

namespace proxymap {

// What holds for one of `protocols`, with its `protocol NAME { }` blocks.
struct Running_protocol {
    std::string name; // imap, pop3, lmtp, submission, sieve
    std::vector<Auth_block> passdbs;
    std::vector<Auth_block> userdbs;
    std::string mechanisms; // auth_mechanisms
    std::string master_user_separator;
    std::string login_plugins;
    std::string login_source_ips;
    bool lmtp_proxy = false;

    bool is_login() const { return name != "lmtp"; } // it has login processes
};

struct Running_config {
    bool is_2_4 = false;
    std::string base_dir;
    std::string login_plugin_dir;
    std::string module_dir; // where this tool was loaded from: it holds auth/, doveadm/, settings/
    std::string abi;        // of this Dovecot, which has loaded this tool: "2.3.ABIv19(2.3.19.1)"
    std::uint64_t auth_cache_size = 0; // bytes
    std::string auth_cache_ttl;
    std::uint64_t auth_vsz_limit = 0; // bytes; 0: none, or not known
    std::string import_environment;   // 2.3
    std::string client_ca_file;       // that login processes verify backends with, where it is one
    bool requires_valid_cert = true;  // ssl_client_require_valid_cert
    std::vector<Running_protocol> protocols; // those that can be proxied
};

// Error: doveconf could not be asked.
Result<Running_config> read_running_config();

// The parts that need no Dovecot. configuration: what doveconf prints without a filter, or with
// that of the protocol.
Running_config make_running_config(const Doveconf_block &configuration, bool is_2_4);
Running_protocol make_running_protocol(const std::string &name,
                                       const Doveconf_block &configuration);
// "10 M", "2G", "unlimited" (0): as doveconf prints it. 0 where it is none.
std::uint64_t parse_doveconf_size(std::string_view text);

} // namespace proxymap
