// A replica: the LMDB of a host that follows the table of another one. The same layout as a table's
// (lmdb_layout.h) with a mark that it is none: Table refuses to write there, until promote().
//
// MUST: it holds the whole map as it was at its position, and what it says it holds it says by the
// same commit.
#pragma once

#include "lmdb_env.h"
#include "lmdb_table.h"

#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace proxymap {

class Replica {
    struct Private {};

  public:
    // Makes the folder and an empty environment where there is none, as a table's.
    static Result<std::unique_ptr<Replica>> open(const Table_config &config);
    Replica(Private, std::shared_ptr<Lmdb_env> env) : env_(std::move(env)) {}

    struct State {
        Position position;    // unknown: there is nothing in it
        bool follows = false; // else it is a table of this host's own
    };
    // As of the running transaction, else of now.
    Result<State> state() const;
    // Whether other files are in its place: open() another one then.
    bool replaced() const { return env_->replaced(); }

    // One transaction at a time; nothing of it is seen before commit(). Waits for another writer,
    // so the caller holds the Table_lock.
    Result<Done> begin();
    Result<Done> clear(); // everything goes: records, journal, marks
    // text: of the table's stored record, without seal.
    Result<Done> put(Kind kind, const std::string &name, std::string_view text);
    Result<Done> remove(Kind kind, const std::string &name);
    // The entry of the journal (journal.h) of that position.
    Result<Done> log(const Position &position, const std::string &text);
    // As a replica, at that position.
    Result<Done> commit(const Position &position);
    void abort() { writing_.reset(); }

  private:
    std::shared_ptr<Lmdb_env> env_;
    std::optional<Lmdb_txn> writing_;
};

} // namespace proxymap
