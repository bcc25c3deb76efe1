// All that the plugins read at start; see configuration.h.
#include "configuration.h"

#include <utility>

namespace proxymap {

Result<Configuration> read_configuration(const std::string &path)
{
    Configuration configuration;
    Result<Settings> settings = read_settings(path);
    if (!settings)
        return settings.error();
    configuration.settings = std::move(*settings);

    if (!configuration.settings.credentials_file.empty()) {
        Result<Credentials> credentials = read_credentials(configuration.settings.credentials_file);
        if (!credentials)
            return credentials.error();
        configuration.credentials = std::move(*credentials);
    }
    const std::string &default_credential = configuration.settings.default_credential;
    if (!default_credential.empty() && !configuration.credentials.contains(default_credential))
        return Error{path + ": default_credential " + default_credential + " is not in " +
                     configuration.settings.credentials_file};

    if (!configuration.settings.seal_keys_file.empty()) {
        Result<Seal_keys> seal_keys = read_seal_keys(configuration.settings.seal_keys_file);
        if (!seal_keys)
            return seal_keys.error();
        configuration.seal_keys = std::move(*seal_keys);
    }
    return configuration;
}

} // namespace proxymap
