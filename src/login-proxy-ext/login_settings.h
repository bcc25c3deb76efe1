// All that the login plugin reads, before its process is chrooted: settings, and the bytes of the
// files that its TLS policies name. Never the credentials file nor seal keys: a login process talks
// to strangers.
#pragma once

#include "../core/result.h"
#include "../core/settings.h"
#include "policy_files.h"

#include <string>

namespace proxymap {

inline constexpr const char *default_settings_path = "/etc/dovecot/proxymap.conf.ext";
// Names another one, by way of Dovecot's import_environment.
inline constexpr const char *settings_path_variable = "PROXYMAP_CONFIG";

struct Login_settings {
    Settings settings;
    // Those of settings.tls_policies. A policy whose files cannot be read cannot be used, and its
    // logins fail; the others can.
    Kept_files files;
};

// Parses no certificate: with service_count = 1 this runs for every login.
Result<Login_settings> read_login_settings(const std::string &path);

} // namespace proxymap
