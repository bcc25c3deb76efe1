// Reads the settings file, and checks what no single setting shows.
//
// Must never run on with a file that it did not understand: what is wrong there would show only as
// logins that go astray. An unknown name, a value out of range, and settings that do not go
// together are all errors, each one sentence with file and line.
#include "settings.h"

#include "conf_value.h"
#include "setting_list.h"
#include "text.h"

#include <algorithm>
#include <utility>

namespace proxymap {

namespace {

const Setting *find_setting(std::string_view name)
{
    for (const Setting &setting : settings_table()) {
        if (setting.info.name == name)
            return &setting;
    }
    return nullptr;
}

std::vector<std::string_view> setting_names()
{
    std::vector<std::string_view> names;
    for (const Setting &setting : settings_table())
        names.push_back(setting.info.name);
    return names;
}

template <typename Section>
const Section *find_named(const std::vector<Section> &sections, std::string_view name)
{
    auto found = std::find_if(sections.begin(), sections.end(),
                              [&](const Section &section) { return section.name == name; });
    return found == sections.end() ? nullptr : &*found;
}

Result<Done> read_sections(const Conf_section &file, Settings *settings)
{
    for (const Conf_section &section : file.sections) {
        if (section.type == "tls_policy") {
            Result<Tls_policy> policy = parse_tls_policy(section, settings->path);
            if (!policy)
                return policy.error();
            settings->tls_policies.push_back(std::move(*policy));
        } else if (section.type == "source_pool") {
            Result<Source_pool> pool = parse_source_pool(section, settings->path);
            if (!pool)
                return pool.error();
            settings->source_pools.push_back(std::move(*pool));
        } else if (section.type == "credential") {
            settings->credentials.push_back(section);
        } else {
            return conf_error(settings->path, section.line,
                              "unknown section " + quote(section.type) +
                                  ": allowed are tls_policy NAME { }, source_pool NAME { } and "
                                  "credential NAME { }");
        }
    }
    return Done{};
}

// What no single value shows. Blames the line of `setting`, which is in the file: the defaults go
// together.
Result<Done> check_together(const Settings &settings, const Conf_section &file)
{
    auto blame = [&](std::string_view setting, const std::string &what) {
        const Conf_entry *entry = file.find(setting);
        return conf_error(settings.path, entry != nullptr ? entry->line : file.line, what);
    };
    if (settings.cache_stale_ttl < settings.cache_ttl)
        return blame(file.find("cache_stale_ttl") != nullptr ? "cache_stale_ttl" : "cache_ttl",
                     "cache_stale_ttl (default 1d) must be at least as long as cache_ttl "
                     "(default 1h): an outage must not drop what is still fresh");
    if (settings.require_seal && settings.seal_keys_file.empty())
        return blame("require_seal", "require_seal = yes needs seal_keys_file, the file with the "
                                     "keys that the seals are checked with");
    if (!settings.default_credential.empty() && settings.credentials_file.empty() &&
        settings.credentials.empty())
        return blame("default_credential", "default_credential needs credentials_file, the file "
                                           "that the credential stands in");
    if (settings.verify == Verify::map && !settings.allow_fields.contains(Field_id::password))
        return blame("verify", "verify = map checks the record's field password, so allow_fields "
                               "must name password");
    if (!settings.default_tls_policy.empty() &&
        settings.find_tls_policy(settings.default_tls_policy) == nullptr)
        return blame("default_tls_policy", "default_tls_policy names " +
                                               settings.default_tls_policy +
                                               ", but there is no section tls_policy " +
                                               settings.default_tls_policy + " { }");
    if (!settings.default_source_pool.empty() &&
        settings.find_source_pool(settings.default_source_pool) == nullptr)
        return blame("default_source_pool", "default_source_pool names " +
                                                settings.default_source_pool +
                                                ", but there is no section source_pool " +
                                                settings.default_source_pool + " { }");
    return Done{};
}

} // namespace

const Tls_policy *Settings::find_tls_policy(std::string_view wanted) const
{
    return find_named(tls_policies, wanted);
}

const Source_pool *Settings::find_source_pool(std::string_view wanted) const
{
    return find_named(source_pools, wanted);
}

Result<Settings> make_settings(const Conf_section &file, const std::string &path)
{
    Settings settings;
    settings.path = path;
    for (const Conf_entry &entry : file.entries) {
        const Setting *setting = find_setting(entry.name);
        if (setting == nullptr)
            return conf_error(path, entry.line,
                              unknown_setting(entry.name, setting_names()).message);
        if (Result<Done> done = setting->set(settings, entry.value); !done)
            return conf_error(path, entry.line,
                              entry.name + " = " + quote(entry.value) + ": " +
                                  done.error().message);
    }
    if (Result<Done> done = read_sections(file, &settings); !done)
        return done.error();
    if (Result<Done> done = check_together(settings, file); !done)
        return done.error();
    for (Store_address &store : settings.stores) {
        if (store.type == Store_address::Type::lmdb)
            store.path = settings.table;
    }
    return settings;
}

Result<Settings> parse_settings(std::string_view text, const std::string &path)
{
    Result<Conf_section> file = parse_conf(text, path);
    if (!file)
        return file.error();
    return make_settings(*file, path);
}

Result<Settings> read_settings(const std::string &path)
{
    Result<std::string> text = read_file(path, 1U << 20U);
    if (!text)
        return text.error();
    return parse_settings(*text, path);
}

} // namespace proxymap
