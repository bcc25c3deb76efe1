// All settings there are, with the sections that they stand in: for a reader that does not read
// text but is told by somebody else what was written, and must say beforehand which names there
// are.
#pragma once

#include "result.h"
#include "settings.h"

#include <span>
#include <string_view>
#include <vector>

namespace proxymap {

struct Setting_section {
    std::string_view type; // as Conf_section::type: empty for settings outside of sections
    std::vector<Setting_info> settings;
    // Whether the value alone is right; how it goes with others shows in make_settings(). The error
    // says what is allowed, but not where the value stands.
    Result<Done> (*check)(std::string_view name, std::string_view value);
};

std::span<const Setting_section> setting_sections();

} // namespace proxymap
