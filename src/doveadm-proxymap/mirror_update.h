// Brings one memcached mirror to the table's position.
#pragma once

#include "core/route.h"
#include "store/lmdb_table.h"
#include "store/mirror_writer.h"

#include <string>
#include <vector>

namespace proxymap {

struct Mirror_change {
    Position before;              // of the table, before the change
    Position now;                 // after it
    const std::vector<Key> &keys; // the records that changed; none: before equals now
};

// held: the mirror's marker. All acknowledged, and the marker says so: returns what was sent, for
// the admin. Errors begin with the mirror's name.
//
// Sends the change alone to a mirror that was complete at change.before, nothing to one that is
// complete at change.now already, else the whole table. Refuses a mirror that holds another
// table's records or newer ones: those that this table lacks would stay in it.
Result<std::string> update_mirror(const std::string &name, const Marker &held,
                                  Mirror_writer &writer, Table &table, const Mirror_change &change);

} // namespace proxymap
