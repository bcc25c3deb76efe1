// Keeps this host's replica equal to the fleet's map: what the mirrors' journal names is read from
// a mirror and put into the replica, all of it in one transaction (follow_step.h).
//
// MUST: a replica at a position holds the map of that position, wholly; and it is called current
// only when a complete mirror is at its position.
#pragma once

#include "mirror_reading.h"

#include "core/configuration.h"
#include "store/lmdb_replica.h"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace proxymap {

enum class Follow_state : std::uint8_t {
    current,      // a mirror is complete at the replica's position
    behind,       // it is not, or nobody knows: to be tried again
    needs_export, // the journal does not lead from the replica's position to the map's
    own_table,    // it is no replica (any more): this host's table is its own
};

struct Follow_report {
    Follow_state state = Follow_state::behind;
    Position position;         // the replica's, after it
    std::uint64_t records = 0; // written and removed; of the step that made it current
    std::string why;           // unless it is current: a sentence
};

class Following {
  public:
    // All must outlive it. folder: the replica's.
    Following(const Configuration &configuration, Replica &replica, std::string folder);

    // One look at every mirror, and where one is newer than the replica the step to its position.
    // Blocks, for seconds where a mirror does not answer.
    Follow_report poll();

  private:
    struct Mirror {
        Store_address address;
        std::unique_ptr<Mirror_reading> reading; // null: not connected
        std::optional<Marker> marker;            // of this poll
        std::optional<Error> error;              // the last one
        std::uint64_t next_try = 0;              // it is left alone until then
    };

    Result<Done> look(Mirror &mirror) const;
    Result<std::optional<Marker>> read_marker(Mirror &mirror) const;
    std::optional<Position> newest_position(const Position &own, Follow_report *report);
    Follow_report step(const Position &from, const Position &to);
    Result<bool> take(Mirror_reading &mirror, Follow_report *report);

    const Configuration &configuration_;
    Replica &replica_;
    const std::string folder_;
    std::vector<Mirror> mirrors_;
};

} // namespace proxymap
