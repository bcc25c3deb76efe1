// What this process knows of the map as a whole: the newest position that any of its stores has
// shown, what changed on the way there, and how long ago somebody confirmed it.
//
// Stores tell it what they see, before they answer anything that they read there; whoever keeps
// records (the cache, lookups under way) listens, and lets go what has changed. So a record that is
// kept is always as good as the position.
//
// One thread only; see Loop.
#pragma once

#include "../core/journal.h"
#include "../core/position.h"

#include <cstdint>
#include <functional>
#include <string>

namespace proxymap {

// How often each store is asked where it stands.
inline constexpr std::uint32_t poll_interval_ms = 1000;
// What is remembered counts as fresh for so long after the last store that confirmed the position.
inline constexpr std::uint64_t confirmed_for_ms = 5000;

// What changed after one position, up to another.
struct Journal_step {
    Position from; // unknown: nobody can say what changed
    Position to;
    Journal_entry changes;
};

class Map_news {
  public:
    // changes: a reset means that anything may have changed; to: as of which position.
    using Listener = std::function<void(const Journal_entry &changes, const Position &to)>;

    // One only; it must outlive what tells news, or be replaced.
    void listen(Listener listener) { listener_ = std::move(listener); }

    // The newest that any store of this process has shown. A store that is behind it, of another
    // table or of a lower epoch, is not read.
    const Position &position() const { return position_; }

    // The map is at step.to, as a complete store shows. Tells the listener, if that is news: what
    // changed, or a reset where step.from is newer than what was known. False, and nothing is
    // told: step.to is behind, or of another table.
    bool advance(const Journal_step &step);

    // A store that is complete stood at that position at `asked`, monotonic_ms(), or later.
    void confirm(const Position &position, std::uint64_t asked);

    // Whether what is remembered may count as fresh. A map that has no position, since no tool
    // wrote it, has no journal either: there each record's own time is all.
    bool confirmed(std::uint64_t now) const { return !position_.known() || now < confirmed_until_; }

    // Why a store that shows such a position is not read; empty: it is current.
    std::string why_not_read(const Position &position) const;

  private:
    Position position_;
    std::uint64_t confirmed_until_ = 0;
    Listener listener_;
};

} // namespace proxymap
