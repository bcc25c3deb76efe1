// All that the plugins read at start; see configuration.h.
#include "configuration.h"

#include <utility>

namespace proxymap {

namespace {

// Those of the settings, and those of the file that the settings name.
Result<Credentials> read_all_credentials(const Settings &settings)
{
    Credentials credentials;
    if (!settings.credentials_file.empty()) {
        Result<Credentials> file = read_credentials(settings.credentials_file);
        if (!file)
            return file.error();
        credentials = std::move(*file);
    }
    for (const Conf_section &section : settings.credentials) {
        Result<Credential> credential = parse_credential(section, settings.path);
        if (!credential)
            return credential.error();
        if (!credentials.emplace(section.name, std::move(*credential)).second)
            return conf_error(settings.path, section.line,
                              "credential " + section.name + " is in " + settings.credentials_file +
                                  " too: remove one of the two");
    }
    return credentials;
}

} // namespace

Result<Configuration> complete_configuration(Settings settings)
{
    Configuration configuration;
    Result<Credentials> credentials = read_all_credentials(settings);
    if (!credentials)
        return credentials.error();
    configuration.credentials = std::move(*credentials);
    const std::string &default_credential = settings.default_credential;
    if (!default_credential.empty() && !configuration.credentials.contains(default_credential))
        return Error{settings.path + ": default_credential " + default_credential + " is not in " +
                     (settings.credentials_file.empty() ? "the sections credential NAME { }"
                                                        : settings.credentials_file)};

    if (!settings.seal_keys_file.empty()) {
        Result<Seal_keys> seal_keys = read_seal_keys(settings.seal_keys_file);
        if (!seal_keys)
            return seal_keys.error();
        configuration.seal_keys = std::move(*seal_keys);
    }
    configuration.settings = std::move(settings);
    return configuration;
}

Result<Configuration> read_configuration(const std::string &path)
{
    Result<Settings> settings = read_settings(path);
    if (!settings)
        return settings.error();
    return complete_configuration(std::move(*settings));
}

} // namespace proxymap
