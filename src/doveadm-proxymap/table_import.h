// Puts the records of a file into the table's open transaction, and counts what they change.
#pragma once

#include "core/name_sorter.h"
#include "store/lmdb_table.h"

#include <cstdint>
#include <optional>
#include <set>
#include <string>

namespace proxymap {

// The transaction is the caller's: to be committed only when nothing was refused and error() is
// nothing. A record that the table holds already is not written again, and so keeps its position.
class Table_import {
  public:
    // allowed: the setting allow_fields. Both must outlive it.
    Table_import(Table &table, const std::set<Field_id> &allowed) : table_(table), allowed_(allowed)
    {
    }

    // The error is the record's: its line is refused.
    Result<Done> take(Record &&record);
    bool knows_backend(const std::string &name);
    // Deletes every record that is not named. names: of the whole file.
    void remove_others(Name_sorter &names);

    const std::optional<Error> &error() const { return error_; } // the table's

    bool changes_anything() const { return added + changed + deleted > 0; }
    std::uint64_t added = 0;
    std::uint64_t changed = 0;
    std::uint64_t deleted = 0;
    std::uint64_t unchanged = 0;

  private:
    Table &table_;
    const std::set<Field_id> &allowed_;
    std::optional<Error> error_;
};

} // namespace proxymap
