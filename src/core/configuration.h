// All that the plugins read at start: settings, credentials, seal keys.
#pragma once

#include "credentials.h"
#include "result.h"
#include "seal.h"
#include "settings.h"

#include <string>

namespace proxymap {

struct Configuration {
    Settings settings;
    Credentials credentials;
    Seal_keys seal_keys;
};

// Reads the files that the settings name. The first error ends it.
Result<Configuration> complete_configuration(Settings settings);

// The settings file and the files that it names. The first error ends it; it is the sentence that
// auth dies with, and that `doveadm proxymap check` prints beforehand.
Result<Configuration> read_configuration(const std::string &path);

} // namespace proxymap
