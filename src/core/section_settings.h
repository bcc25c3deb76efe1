// Reads a section of the settings file by the list of its settings. Internal to core.
#pragma once

#include "conf_file.h"
#include "conf_value.h"
#include "settings.h"
#include "text.h"

#include <algorithm>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace proxymap {

// A setting of a section, and where its value goes. `set` checks the value fully.
template <typename Target> struct Section_setting {
    Setting_info info;
    Result<Done> (*set)(Target &, std::string_view value);
};

// "path:line: type NAME: what"
inline Error section_error(const Conf_section &section, const std::string &path, unsigned line,
                           const std::string &what)
{
    return conf_error(path, line, section.type + " " + section.name + ": " + what);
}

// Sets in target_r what the section gives; what it does not give stays as it is there. The file's
// parser has refused a setting that is given twice.
template <typename Target>
Result<Done> read_section(const Conf_section &section, const std::string &path,
                          std::span<const Section_setting<Target>> settings, Target *target_r)
{
    for (const Conf_entry &entry : section.entries) {
        auto setting = std::find_if(settings.begin(), settings.end(), [&](const auto &known) {
            return known.info.name == entry.name;
        });
        if (setting == settings.end()) {
            std::vector<std::string_view> allowed;
            for (const Section_setting<Target> &known : settings)
                allowed.push_back(known.info.name);
            return section_error(section, path, entry.line,
                                 unknown_setting(entry.name, allowed).message);
        }
        if (Result<Done> done = setting->set(*target_r, entry.value); !done)
            return section_error(section, path, entry.line,
                                 entry.name + " = " + quote(entry.value) + ": " +
                                     done.error().message);
    }
    return Done{};
}

// One value alone; the error does not say where it stands.
template <typename Target>
Result<Done> check_setting(std::span<const Section_setting<Target>> settings, std::string_view name,
                           std::string_view value)
{
    Target scratch;
    for (const Section_setting<Target> &setting : settings) {
        if (setting.info.name == name)
            return setting.set(scratch, value);
    }
    return Error{"no such setting"};
}

// The list without its setters, for the manual and the sample.
template <typename Target>
std::vector<Setting_info> setting_infos(std::span<const Section_setting<Target>> settings)
{
    std::vector<Setting_info> infos;
    for (const Section_setting<Target> &setting : settings)
        infos.push_back(setting.info);
    return infos;
}

} // namespace proxymap
