// The journal as it is shown: what changed between two positions, from wherever the entries are.
#pragma once

#include "core/journal.h"
#include "core/position.h"
#include "core/result.h"

#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace proxymap {

// One line for the admin.
struct Shown_change {
    Position position;
    std::uint64_t time = 0; // as in the journal
    bool reset = false;     // anything may have changed up to this position
    Key key{};              // else
};

// The text (journal.h) of the entry of just that position; nothing: it is not there any more.
using Entry_reader = std::function<Result<std::optional<std::string>>(const Position &)>;

// What changed after `since`, up to `now`, oldest first. A gap is a reset, of the newest position
// that nobody can name changes of; so is another table, another epoch, and a `since` that is newer.
// since unknown: all that the journal has, and no reset for what it has not.
//
// At most max_shown_bytes of entries are kept; older ones count as gone.
inline constexpr std::size_t max_shown_bytes = 32U << 20U;
Result<std::vector<Shown_change>> changes_between(const Position &since, const Position &now,
                                                  const Entry_reader &read);

} // namespace proxymap
