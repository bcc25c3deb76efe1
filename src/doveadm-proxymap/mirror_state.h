// What a mirror's marker means beside the table, in a word for the admin.
#pragma once

#include "core/position.h"

#include <optional>
#include <string_view>

namespace proxymap {

// current, behind, loading, empty (no marker), newer, or another table.
std::string_view mirror_state(const std::optional<Marker> &marker, const Position &table);

} // namespace proxymap
