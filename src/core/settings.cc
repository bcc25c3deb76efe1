// Reads the settings file, and checks what no single setting shows.
//
// Must never run on with a file that it did not understand: what is wrong there would show only as
// logins that go astray. An unknown name, a value out of range, and settings that do not go
// together are all errors, each one sentence with file and line.
#include "settings.h"

#include "setting_list.h"
#include "text.h"

#include <algorithm>
#include <numeric>

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

// Levenshtein's; `from` is cut to a length that no setting has.
std::size_t edit_distance(std::string_view from, std::string_view to)
{
    from = from.substr(0, 64);
    std::vector<std::size_t> row(to.size() + 1);
    std::iota(row.begin(), row.end(), std::size_t{0});
    for (std::size_t i = 0; i < from.size(); i++) {
        std::size_t diagonal = row[0];
        row[0] = i + 1;
        for (std::size_t j = 0; j < to.size(); j++) {
            std::size_t replaced = diagonal + (from[i] == to[j] ? 0 : 1);
            diagonal = row[j + 1];
            row[j + 1] = std::min({replaced, diagonal + 1, row[j] + 1});
        }
    }
    return row.back();
}

Error unknown_setting(const std::string &name)
{
    constexpr std::size_t likely_typo = 3;
    const Setting *nearest = nullptr;
    std::size_t least = likely_typo + 1;
    std::string all;
    for (const Setting &setting : settings_table()) {
        std::size_t distance = edit_distance(name, setting.info.name);
        if (distance < least) {
            least = distance;
            nearest = &setting;
        }
        all += (all.empty() ? "" : ", ") + std::string(setting.info.name);
    }
    std::string message = "unknown setting " + quote(name);
    if (nearest != nullptr)
        return Error{message + ": did you mean " + std::string(nearest->info.name) + "?"};
    return Error{message + ": allowed are " + all};
}

bool has_section(const Conf_section &file, std::string_view type, const std::string &name)
{
    return std::any_of(
        file.sections.begin(), file.sections.end(),
        [&](const Conf_section &section) { return section.type == type && section.name == name; });
}

// What no single value shows. Blames the line of `setting`, which is in the file: the defaults go
// together.
Result<Done> check_together(const Settings &settings, const Conf_section &file)
{
    auto blame = [&](std::string_view setting, const std::string &what) {
        const Conf_entry *entry = file.find(setting);
        return conf_error(settings.path, entry != nullptr ? entry->line : 1, what);
    };
    if (settings.cache_stale_ttl < settings.cache_ttl)
        return blame(file.find("cache_stale_ttl") != nullptr ? "cache_stale_ttl" : "cache_ttl",
                     "cache_stale_ttl (default 1d) must be at least as long as cache_ttl "
                     "(default 1h): an outage must not drop what is still fresh");
    if (settings.require_seal && settings.seal_keys_file.empty())
        return blame("require_seal", "require_seal = yes needs seal_keys_file, the file with the "
                                     "keys that the seals are checked with");
    if (!settings.default_credential.empty() && settings.credentials_file.empty())
        return blame("default_credential", "default_credential needs credentials_file, the file "
                                           "that the credential stands in");
    if (settings.verify == Verify::map && !settings.allow_fields.contains(Field_id::password))
        return blame("verify", "verify = map checks the record's field password, so allow_fields "
                               "must name password");
    if (!settings.default_tls_policy.empty() &&
        !has_section(file, "tls_policy", settings.default_tls_policy))
        return blame("default_tls_policy", "default_tls_policy names " +
                                               settings.default_tls_policy +
                                               ", but there is no section tls_policy " +
                                               settings.default_tls_policy + " { } in this file");
    if (!settings.default_source_pool.empty() &&
        !has_section(file, "source_pool", settings.default_source_pool))
        return blame("default_source_pool", "default_source_pool names " +
                                                settings.default_source_pool +
                                                ", but there is no section source_pool " +
                                                settings.default_source_pool + " { } in this file");
    return Done{};
}

} // namespace

Result<Settings> parse_settings(std::string_view text, const std::string &path)
{
    Result<Conf_section> file = parse_conf(text, path);
    if (!file)
        return file.error();

    Settings settings;
    settings.path = path;
    // The list is the truth: what it calls the default is what is set.
    for (const Setting &setting : settings_table()) {
        if (Result<Done> done = setting.set(settings, setting.info.default_value); !done)
            return Error{"bug: the default of " + std::string(setting.info.name) +
                         " is refused: " + done.error().message};
    }
    for (const Conf_entry &entry : file->entries) {
        const Setting *setting = find_setting(entry.name);
        if (setting == nullptr)
            return conf_error(path, entry.line, unknown_setting(entry.name).message);
        if (Result<Done> done = setting->set(settings, entry.value); !done)
            return conf_error(path, entry.line,
                              entry.name + " = " + quote(entry.value) + ": " +
                                  done.error().message);
    }
    for (const Conf_section &section : file->sections) {
        if (section.type != "tls_policy" && section.type != "source_pool")
            return conf_error(path, section.line,
                              "unknown section " + quote(section.type) +
                                  ": allowed are tls_policy NAME { } and source_pool NAME { }");
    }
    if (Result<Done> done = check_together(settings, *file); !done)
        return done.error();
    for (Store_address &store : settings.stores) {
        if (store.type == Store_address::Type::lmdb)
            store.path = settings.table;
    }
    return settings;
}

Result<Settings> read_settings(const std::string &path)
{
    Result<std::string> text = read_file(path, 1U << 20U);
    if (!text)
        return text.error();
    return parse_settings(*text, path);
}

} // namespace proxymap
