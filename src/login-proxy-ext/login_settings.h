// All that the login plugin reads, before its process is chrooted: settings, and the bytes of the
// files that its TLS policies name. Never the credentials file nor seal keys: a login process talks
// to strangers.
#pragma once

#include "../core/settings.h"
#include "policy_files.h"

namespace proxymap {

struct Login_settings {
    Settings settings;
    // Those of settings.tls_policies. A policy whose files cannot be read cannot be used, and its
    // logins fail; the others can.
    Kept_files files;
};

// Parses no certificate: with service_count = 1 this runs for every login.
Login_settings with_files(Settings settings);

} // namespace proxymap
