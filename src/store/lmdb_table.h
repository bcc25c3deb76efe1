// The table: an LMDB environment that holds the whole map, written by the tool, read by auth.
//
// Layout: a folder with data.mdb and lock.mdb. Keys as in key.h without the namespace
// ("user:john"), values as format_stored_record() writes them; "table" holds the position.
//
// MUST, for each of these failed when done naively: the address space asked for fits under
// RLIMIT_AS; folder root:dovecot 0750, map 0640, lock 0660; one environment per file and process,
// opened lazily, never in workers; MDB_NOTLS; the read transaction is reset after each lookup; the
// inode is checked each second (a table is replaced by rename, never truncated); MDB_MAP_RESIZED
// is handled; a writer calls mdb_reader_check.
#pragma once

#include "../core/record.h"
#include "../core/settings.h"
#include "loop.h"
#include "store.h"

#include <functional>
#include <memory>
#include <string>

namespace proxymap {

struct Table_config {
    std::string path; // the folder
    Key_case key_case = Key_case::lower;
    std::uint64_t max_size = 1ULL << 30U; // bytes of address space
};

// Reads for auth. A missing folder or file is `unavailable`, and is looked for again: a table
// that is created later is used without a restart.
std::unique_ptr<Store> make_lmdb_store(const Table_config &config, Loop &loop,
                                       Newest_position &newest);

// Reads and writes for the tool. Not thread-safe.
class Table {
  public:
    enum class Mode : std::uint8_t { read, write };
    // write: creates folder and table when absent (group: the folder's, or `dovecot` when it
    // exists and the caller is root). Errors name path and reason.
    static Result<std::unique_ptr<Table>> open(const Table_config &config, Mode mode);
    virtual ~Table() = default;

    virtual Position position() = 0;
    // Nothing: absent.
    virtual Result<std::optional<Record>> get(Kind kind, const std::string &name) = 0;
    // In order of kind, then name; `each` returns false to stop.
    virtual Result<Done> for_each(const std::function<bool(const Record &)> &each) = 0;

    // One write transaction at a time; everything between begin and commit becomes visible at
    // once, under the next position, which commit returns. Without commit nothing happened.
    virtual Result<Done> begin() = 0;
    virtual Result<Done> put(const Record &record) = 0; // its position is set here
    virtual Result<Done> remove(Kind kind, const std::string &name) = 0;
    virtual Result<Position> commit() = 0;
    virtual void abort() = 0;
    // Position that the running transaction will commit as.
    virtual Position next_position() = 0;
};

} // namespace proxymap
