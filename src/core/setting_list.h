// The list of settings with their setters: what settings.cc reads a file by.
// Internal to core; everybody else uses settings.h.
#pragma once

#include "settings.h"

#include <span>

namespace proxymap {

struct Setting {
    Setting_info info;
    // Checks the value fully; the error says what is wrong with it and what is allowed, but not
    // where it stands.
    Result<Done> (*set)(Settings &settings, std::string_view value);
};

// In the order of the manual.
std::span<const Setting> settings_table();

} // namespace proxymap
