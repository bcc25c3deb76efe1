// What one multi-get of a mirror brought back: handed from the helper thread to the loop.
#pragma once

#include "../core/position.h"
#include "../core/record.h"
#include "map_news.h"

#include <optional>
#include <string>
#include <vector>

namespace proxymap {

// One key of a batch. Neither record nor fault: the mirror does not have it.
struct Slot {
    Record_ref record;      // whole, of the right kind and name, its seal good; as Answer::record
    std::string fault;      // why the value cannot be used; never quotes the value
    Position position = {}; // of the record: where it was written
    std::size_t tag = 0;    // of the record's key
};

// What came of one multi-get, shared by all whose keys were in it.
struct Batch {
    std::string failure; // why there is no answer to any key; empty when there is
    std::optional<Marker> marker_before;
    std::optional<Marker> marker_after;
    bool marker_unreadable = false;
    Position known;                      // the newest that the process knew when it asked
    std::uint64_t asked = 0;             // monotonic_ms() then
    std::optional<Journal_step> journal; // what changed since, when the markers are newer
    bool keeps_everything = false;       // the server runs with evictions off
    std::vector<Slot> slots;
};

// What a process says of itself in a mirror; an empty key: nothing.
struct Own_report {
    std::string key;
    std::string text;
};

} // namespace proxymap
