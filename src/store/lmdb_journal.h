// The journal in an LMDB table: `log:<epoch, 8 hex>.<sequence, 16 hex>` holds the text of journal.h
// for the transaction that committed as that position. Part of that transaction, so that there is
// none without its entry.
#pragma once

#include "../core/journal.h"
#include "lmdb_table.h"
#include "lmdb_txn.h"

#include <map>
#include <string>

namespace proxymap {

// What stays: the newest so many entries, of so many bytes together; and always the newest.
inline constexpr std::size_t max_log_entries = 10'000;
inline constexpr std::size_t max_log_bytes = 32U << 20U;

// What a transaction changes, by name, as far as a journal names it.
class Changed_keys {
  public:
    void add(std::string key, Kind kind, const std::string &name); // key: lmdb_key()
    void add_all();                                                // anything may have changed
    bool all() const { return all_; }
    bool empty() const { return !all_ && lines_.empty(); }
    // lmdb_key() and its line of the journal; of no use when all().
    const std::map<std::string, std::string> &lines() const { return lines_; }
    std::string text() const; // of journal.h

  private:
    std::map<std::string, std::string> lines_;
    bool all_ = false;
};

std::string log_key(const Position &position);

// Writes the entry, and lets old ones go.
Result<Done> write_log(Lmdb_txn &txn, const Position &position, const std::string &text);

// now: the table's position in this very snapshot.
Result<Changes> read_changes(const Lmdb_txn &txn, const Position &since, const Position &now);

} // namespace proxymap
