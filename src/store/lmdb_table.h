// The table: an LMDB environment that holds the whole map, written by the tool, read by auth.
//
// Layout: a folder with data.mdb and lock.mdb. Keys as in key.h without the namespace
// ("user:john"), values as format_stored_record() writes them; "table" holds the position, "log:"
// the journal, "mirror:" what is known of each mirror (lmdb_layout.h).
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
#include "map_news.h"
#include "store.h"

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace proxymap {

struct Table_config {
    std::string path; // the folder
    Key_case key_case = Key_case::lower;
    std::uint64_t max_size = 1ULL << 30U; // bytes of address space
    // Milliseconds for which a replica may go on unfollowed, for its hits.
    std::uint64_t replica_max_age = 86'400'000;
};

// Reads for auth. A missing folder or file is `unavailable`, and is looked for again: a table
// that is created later is used without a restart.
std::unique_ptr<Store> make_lmdb_store(const Table_config &config, Loop &loop, Map_news &news);

// What changed since a position: a reset where the journal cannot name them all; else each key
// once, in no order. The records of some may be gone.
using Changes = Journal_entry;

// One record that a transaction changed, as text: what stands under `key` (lmdb_key()) in the
// table. The views are valid during the call alone.
struct Table_change {
    std::string_view key;
    std::string_view before; // empty: it was absent
    std::string_view after;  // empty: it is gone
};

// What the table remembers of a mirror that it has written to.
struct Mirror_note {
    std::string mirror; // as in the setting `stores`
    Position finished;  // all up to there is in single versions; unknown: nothing yet
};

// Reads and writes for the tool. Not thread-safe.
class Table {
  public:
    enum class Mode : std::uint8_t { read, write };
    // write: creates folder and table when absent (group: the folder's, or `dovecot` when it
    // exists and the caller is root). Errors name path and reason.
    static Result<std::unique_ptr<Table>> open(const Table_config &config, Mode mode);
    virtual ~Table() = default;

    virtual Position position() = 0;
    // Whether it is a replica of another host's (lmdb_replica.h): every transaction is refused then
    // but one that begins with promote(), which makes it a table.
    virtual Result<bool> follows() = 0;
    // Nothing: absent.
    virtual Result<std::optional<Record>> get(Kind kind, const std::string &name) = 0;
    // In order of kind, then name; `each` returns false to stop.
    virtual Result<Done> for_each(const std::function<bool(const Record &)> &each) = 0;

    // One write transaction at a time; everything between begin and commit becomes visible at
    // once, under the next position, which commit returns. Without commit nothing happened.
    virtual Result<Done> begin() = 0;
    Result<Done> put(const Record &record) // its position is set here
    {
        return put_text(record.kind, record.name, format_record(record));
    }
    // text: the record's, as format_record() writes it.
    virtual Result<Done> put_text(Kind kind, const std::string &name, std::string_view text) = 0;
    virtual Result<Done> remove(Kind kind, const std::string &name) = 0;
    virtual Result<Position> commit() = 0;
    virtual void abort() = 0;
    // Position that the running transaction will commit as.
    virtual Position next_position() = 0;
    // Makes the running transaction the first of a new epoch, higher than the table's own and than
    // `seen`, the highest that any mirror shows: this host becomes the table's, and every mirror
    // refuses whoever goes on in an older one. To be called before put() and remove(); the id stays
    // and the sequence goes on. Its journal entry is a reset.
    virtual Result<Done> promote(std::uint32_t seen) = 0;

    // The stored text of each record, as for_each() walks, but nothing is parsed. Valid during the
    // call alone.
    using Each_text = std::function<bool(std::string_view key, std::string_view text)>;
    virtual Result<Done> for_each_text(const Each_text &each) = 0;

    // The journal. A reset: the position is of another table or epoch, newer than the table, so old
    // that its entries were let go (the newest 10,000 transactions and 32 MB stay), or a
    // transaction since changed more than 10,000 records.
    virtual Result<Changes> changes_since(const Position &position) = 0;
    // The text (journal.h) of the transaction that committed as that position. Nothing: let go.
    virtual Result<std::optional<std::string>> journal_text(const Position &position) = 0;

    // The transaction that this object committed last: the position before it (unknown: there was
    // none), and every record that it changed, from a snapshot of the table as it was. In order of
    // the keys when there are more than 10,000 of them, and in no memory of their number. `each`
    // returns false to stop.
    virtual Position before_commit() = 0;
    using Each_change = std::function<bool(const Table_change &)>;
    virtual Result<Done> for_each_change(const Each_change &each) = 0;

    // Nothing: this table has never written to it.
    virtual Result<std::optional<Mirror_note>> mirror_note(const std::string &mirror) = 0;
    // In one transaction of its own; the position stays. Not while another one is running.
    virtual Result<Done> note_mirrors(const std::vector<Mirror_note> &notes) = 0;
};

} // namespace proxymap
