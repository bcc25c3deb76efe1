// Brings the memcached mirrors to the table's position.
#pragma once

#include "mirror_plan.h"

#include "core/configuration.h"
#include "store/lmdb_table.h"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace proxymap {

struct Mirror_report {
    std::string mirror; // as in the setting `stores`
    std::optional<Error>
        error; // begins with the mirror's name; nothing: it is at the table's position
    Mirror_way way = Mirror_way::none; // as far as it got
    std::uint64_t records = 0;         // written and removed
    // For the admin: "current", "3 records sent", "1000000 records sent (the whole table, after
    // emptying it)", or with dry_run "3 records to send". Without the mirror's name. Empty: failed.
    std::string done;
};

// Every mirror of the setting `stores`, reported in its order. Each is tried, also after one has
// failed; those that need the same are written side by side. To be called under the Table_lock,
// with no transaction running: after commit(), or without any change, as `sync` does. A mirror of
// another table, of a newer position or of a higher epoch is refused. dry_run: says what it would
// do, and changes nothing anywhere.
//
// An error of the Result is the table's own: it cannot be read, or not note what was done. The
// mirrors' errors are in the reports.
Result<std::vector<Mirror_report>> update_mirrors(const Configuration &configuration, Table &table,
                                                  bool dry_run = false);

// Before a transaction: whether this host may write at all. Refused when any mirror shows the table
// at a higher epoch or a newer position, or another table: there is another table host. A mirror
// that is down says nothing. Blocks, for seconds at most.
Result<Done> may_write(const Configuration &configuration, const Position &table);

// Before update_mirrors() without a transaction, as by a timer: refused on a replica, and where any
// mirror shows that this is not the table's host any more. For an empty mirror could not tell.
Result<Done> may_update(const Configuration &configuration, Table &table);

// Refused where the table is a replica, which `follow` alone writes.
Result<Done> must_not_follow(const Settings &settings, Table &table);

} // namespace proxymap
