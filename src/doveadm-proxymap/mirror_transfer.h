// Carries out what a mirror's plan says.
//
// A change that a mirror can follow is in force there all at once: both versions of each record are
// written beside each other, then the marker flips, then the old versions go (stored_value.h).
// Killed anywhere, a mirror reads wholly as before or wholly as after, or is not read at all; the
// next update finishes what was begun.
#pragma once

#include "mirror_plan.h"

#include <cstdint>
#include <string>

namespace proxymap {

// names: of the mirror or mirrors, for the screen. How many records were
// written and removed.
Result<std::uint64_t> carry_out(const Mirror_plan &plan, const std::string &names,
                                Mirror_sink &sink, Table &table);

} // namespace proxymap
