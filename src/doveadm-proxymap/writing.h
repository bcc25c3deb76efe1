// A writing command on the table, from the lock to the last mirror.
//
// MUST: one writer at a time, until its last mirror is done; and none where another host is the
// table's.
#pragma once

#include "common.h"
#include "mirror_update.h"
#include "table_lock.h"

#include <memory>
#include <optional>
#include <string>

namespace proxymap {

// The table and its lock. The lock is taken first wherever there is a folder for it: LMDB would
// wait for the other writer's transaction, without a word.
struct Locked_table {
    std::optional<Table_lock> lock;
    std::unique_ptr<Table> table;
};
Result<Locked_table> open_locked_table(const Settings &settings, Table::Mode mode);

class Writing {
  public:
    // Begins a transaction. With dry_run the table is only read, and not made where there is none.
    // Reports the error; *code_r is the exit code then.
    static std::unique_ptr<Writing> begin(const Configuration &configuration, bool dry_run,
                                          int *code_r);
    // The same for `promote` alone: nobody is asked whether this host may write. The table exists.
    static std::unique_ptr<Writing> begin_promotion(const Configuration &configuration,
                                                    bool dry_run, int *code_r);
    // The same for a record that must be there: *record_r is what is.
    static std::unique_ptr<Writing> begin_on(const Configuration &configuration, const Key &key,
                                             bool dry_run, Record *record_r, int *code_r);
    ~Writing();
    Writing(const Writing &) = delete;
    Writing &operator=(const Writing &) = delete;

    // Its transaction is running; to be ended by finish() alone. In a dry run what is written goes
    // nowhere, and is not seen by reading.
    Table &table() { return *table_; }

    // Commits when something was changed, prints `what` with the position, and brings every mirror
    // to it, also when nothing was changed. The exit code.
    int finish(const std::string &what, bool changed);

  private:
    Writing(const Configuration &configuration, bool dry_run, bool promotes)
        : configuration_(configuration), dry_run_(dry_run), promotes_(promotes)
    {
    }
    static std::unique_ptr<Writing> begin(std::unique_ptr<Writing> writing, int *code_r);
    Result<Done> begin_writing();
    Result<Done> begin_reading();
    Result<Done> is_the_host();

    const Configuration &configuration_;
    const bool dry_run_;
    const bool promotes_;
    int code_ = exit_try_again; // of the error
    std::unique_ptr<Table> table_;
    std::optional<Table_lock> lock_;
};

// Whether there is no table yet (find_table()), which is no error of its file system.
bool table_is_absent(const Settings &settings);

// Prints what was done to each mirror; quiet: only where something was. Whether all are at the
// table's position.
bool print_mirrors(const std::vector<Mirror_report> &reports, bool quiet = false);

} // namespace proxymap
