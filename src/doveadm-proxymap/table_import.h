// Puts the records of a file into the table's open transaction, in the table's own order, and
// counts what they change.
#pragma once

#include "record_checks.h"

#include "core/record_sorter.h"
#include "store/lmdb_table.h"

#include <cstdint>
#include <functional>
#include <optional>
#include <set>
#include <string>

namespace proxymap {

// The transaction is the caller's: to be committed only when error() is nothing. A record that the
// table holds already is not written again, and so keeps its position.
class Table_import {
  public:
    // allowed: the setting allow_fields. Both must outlive it.
    Table_import(Table &table, const std::set<Field_id> &allowed) : table_(table), allowed_(allowed)
    {
    }

    // Both for the reading of the file, before anything is written. The error is the record's.
    Result<Done> check(const Record &record) const { return check_permission(record, allowed_); }
    bool knows_backend(const std::string &name);

    // records: those of the whole file, none of them refused. step: called for each.
    void write(Record_sorter &records, const std::function<void()> &step);
    // Deletes every record that is not among them.
    void remove_others(Record_sorter &records);

    const std::optional<Error> &error() const { return error_; } // the table's

    bool changes_anything() const { return added + changed + deleted > 0; }
    std::uint64_t added = 0;
    std::uint64_t changed = 0;
    std::uint64_t deleted = 0;
    std::uint64_t unchanged = 0;

  private:
    Result<Done> write(const Record_sorter::Entry &entry);

    Table &table_;
    const std::set<Field_id> &allowed_;
    std::optional<Error> error_;
};

} // namespace proxymap
