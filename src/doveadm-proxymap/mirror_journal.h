// The journal as a mirror holds it (core/journal.h), for the tool.
#pragma once

#include "mirror_reading.h"

#include "core/position.h"
#include "core/result.h"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace proxymap {

// The text of the entry of just that position. Nothing: it is not there, or not any more, or not
// whole, or what stands in its place is the entry of another table or epoch.
Result<std::optional<std::string>>
read_mirror_entry(Mirror_reading &mirror, const std::string &name_space, const Position &position);

// What a mirror holds beyond a table, as far as its journal tells.
struct Beyond {
    std::uint64_t positions = 0;    // of which the mirror's journal knows
    std::uint64_t changes = 0;      // records, each counted once
    std::vector<std::string> first; // at most 20 of them: "user john"
    bool all_named = true;          // false: there is more, and nobody can tell what
};
// held: the mirror's position, newer than the table's, and of the same table.
Result<Beyond> read_beyond(Mirror_reading &mirror, const std::string &name_space,
                           const Position &table, const Position &held);

} // namespace proxymap
