// Puts the records of a routes file into the table's open transaction, and counts what they change.
#pragma once

#include "core/route.h"
#include "store/lmdb_table.h"

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace proxymap {

// The transaction is the caller's: to be committed only when nothing was refused and error() is
// nothing. A record that the table holds already is not written again, and so keeps its position.
class Table_import {
  public:
    // allowed: the setting allow_fields. Both must outlive it.
    Table_import(Table &table, const std::set<Field_id> &allowed) : table_(table), allowed_(allowed)
    {
    }

    void take(Record &&record);
    bool knows_backend(const std::string &name);

    const std::optional<Error> &error() const { return error_; } // the table's

    std::uint64_t added = 0;
    std::uint64_t changed = 0;
    std::uint64_t unchanged = 0;
    std::vector<Key> keys;             // of the records that were added or changed
    std::uint64_t refused = 0;         // records with fields that allow_fields does not name
    std::vector<std::string> refusals; // why; of the first 20

  private:
    bool is_allowed(const Record &record);

    Table &table_;
    const std::set<Field_id> &allowed_;
    std::optional<Error> error_;
};

} // namespace proxymap
