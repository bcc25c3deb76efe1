// The passdb and userdb blocks that auth asks for one protocol, as doveconf(1) shows them, and what
// their rules mean for ours. The one place that knows how a block is written on each branch.
#pragma once

#include "../core/passdb_block.h"
#include "doveconf_text.h"

#include <cstddef>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace proxymap {

struct Auth_block {
    std::string label; // "passdb 2 (pam)", as an admin finds it; of 2.4 "passdb ldap-2"
    std::string driver;
    std::string args;                             // 2.3
    std::string result_success = "return-ok";     //
    std::string result_failure = "continue";      // of auth_db_rule
    std::string result_internalfail = "continue"; //
    std::string skip = "never";
    bool is_master = false;
    bool is_deny = false;
    bool skips_some_logins = false; // mechanisms or username_filter
    bool allow_all_users = false;   // userdb static
    // That the admin has written into the block, and for static those of its args; with values.
    std::map<std::string, std::string, std::less<>> fields;
    // Of fields those that lie over or under what the passdb itself says.
    std::vector<std::string> laid_fields;

    bool operator==(const Auth_block &) const = default;

    bool is_ours() const { return driver == "proxymap"; }
    // Whether a login that it accepts can end with it, and succeed.
    bool ends_login() const;
    // A login that it accepts is proxied by its own fields.
    bool proxies() const { return fields.contains("proxy"); }
    bool accepts_any_password() const { return fields.contains("nopassword"); }
};

// In the order in which auth asks them. type: "passdb" or "userdb".
std::vector<Auth_block> read_auth_blocks(const Doveconf_block &configuration,
                                         std::string_view type);

// A passdb that auth silently leaves out, for no user is authenticated before the first.
bool is_left_out(const std::vector<Auth_block> &passdbs, std::size_t index);

// As auth itself finds them at start (passdb.cc). believing_mechanism: an enabled one that lets in
// whom it has verified itself; empty for none. master_user_separator: the setting.
Block_rules rules_of(const std::vector<Auth_block> &passdbs, std::size_t index,
                     const std::string &believing_mechanism,
                     std::string_view master_user_separator);

// Of the setting auth_mechanisms; empty for none. Dovecot's name for it.
std::string find_believing_mechanism(std::string_view auth_mechanisms, bool is_2_4);

} // namespace proxymap
