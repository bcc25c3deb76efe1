// Whether Dovecot finds our modules, takes them, and gives login processes the settings that auth
// has: what is missing there shows only when somebody logs in.
#pragma once

#include "check_findings.h"

#include "core/settings.h"
#include "dovecot/running_config.h"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace proxymap {

// A module that should be there.
struct Module_file {
    std::string path;
    std::string what_fails;         // without it: "auth does not start"
    std::optional<std::string> abi; // that it was built for; "" where the file does not say
};

// The ABI string of Dovecot that a module's bytes hold, as "2.3.ABIv19(2.3.19.1)"
// or "2.4.ABIv1"; "" for none.
std::string find_abi(std::string_view bytes);

// As Dovecot compares them: up to the bracket (versions_equal() in module-dir.c).
bool same_abi(std::string_view module, std::string_view dovecot);

// Reads those that this configuration needs. A file that is not there has no abi.
std::vector<Module_file> read_modules(const Running_config &config, const Settings &settings);

void check_modules(const std::vector<Module_file> &modules, const Running_config &config,
                   Check_findings &findings);

// Whether login processes load login_proxy_ext where a route may need it, with the same settings.
void check_login_plugins(const Running_config &config, const Settings &settings,
                         Check_findings &findings);

} // namespace proxymap
