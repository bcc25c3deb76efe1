// What a mirror needs to get to the table's position, by what it says that it holds and what the
// table remembers of it. Nothing is written here.
#pragma once

#include "core/position.h"
#include "core/route.h"
#include "store/lmdb_table.h"
#include "store/mirror_writer.h"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace proxymap {

enum class Mirror_way : std::uint8_t {
    none,     // it is there
    tidy,     // it is there, but holds versions that are out of force: they go
    change,   // the table's last transaction; proxies read on
    catch_up, // what changed since its position; proxies do not read it meanwhile
    fill,     // the whole table, into an empty one
    refill,   // the whole table, after flush_all: what it holds too many cannot be named
};

// Mirrors with equal plans need the same.
struct Mirror_plan {
    Mirror_way way = Mirror_way::none;
    // catch_up, tidy: what is to be sent; change: what is to be sent after it, for an earlier
    // transaction left it in two versions; fill: what may be in it and be gone.
    std::vector<Key> keys;
    bool all = false; // in place of keys: any record may have two versions
    Marker start;     // while it is under way, unless `change`

    bool operator==(const Mirror_plan &) const = default;
};

// Whether a mirror may hold records that this table does not know of: those of another table, of a
// newer position or of a higher epoch.
bool is_foreign(const Position &held, const Position &table);
// Why it is refused then.
Error foreign(const std::string &name, const Position &held, const Position &table);

// name: as in the setting `stores`. writer: of that mirror; its marker is read. note: what the
// table remembers of it.
Result<Mirror_plan> plan_mirror(const std::string &name, Mirror_writer &writer, Table &table,
                                const std::optional<Mirror_note> &note);

// How many records would be written and removed.
Result<std::uint64_t> count_records(const Mirror_plan &plan, Table &table);

} // namespace proxymap
