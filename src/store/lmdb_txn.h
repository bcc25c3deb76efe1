// RAII over LMDB: transactions and cursors of an environment (lmdb_env.h), which begins them.
// Knows keys and values, no records. For one thread only.
#pragma once

#include "../core/result.h"

#include <lmdb.h>

#include <optional>
#include <string_view>
#include <utility>

namespace proxymap {

class Lmdb_env;

// A transaction. Ends when it is destroyed: a reading one gives its snapshot back, a writing one
// without commit() changes nothing. Must not outlive its environment.
class Lmdb_txn {
  public:
    Lmdb_txn(Lmdb_env &env, MDB_txn *txn, bool writes) : env_(&env), txn_(txn), writes_(writes) {}
    Lmdb_txn(Lmdb_txn &&other) noexcept
        : env_(other.env_), txn_(std::exchange(other.txn_, nullptr)), writes_(other.writes_)
    {
    }
    Lmdb_txn &operator=(Lmdb_txn &&) = delete;
    Lmdb_txn(const Lmdb_txn &) = delete;
    Lmdb_txn &operator=(const Lmdb_txn &) = delete;
    ~Lmdb_txn();

    // Nothing: absent. The bytes are in the map: valid until the transaction ends or writes.
    Result<std::optional<std::string_view>> get(std::string_view key) const;
    // append: the key is greater than every key of the table; pages are then filled to the brim.
    Result<Done> put(std::string_view key, std::string_view value, bool append);
    // Removing what is absent is no error.
    Result<Done> remove(std::string_view key);
    // Every key goes.
    Result<Done> clear();
    // Counts the environment's commits: the next one to write has the next number.
    std::size_t number() const { return mdb_txn_id(txn_); }
    // Durable when it returns Done. Done or not, the transaction is over.
    Result<Done> commit();

  private:
    friend class Lmdb_cursor;
    Lmdb_env *env_;
    MDB_txn *txn_;
    bool writes_;
};

// Walks over keys in the order of their bytes. Must not outlive its transaction.
class Lmdb_cursor {
  public:
    struct Entry {
        std::string_view key;
        std::string_view value;
    };

    explicit Lmdb_cursor(const Lmdb_txn &txn) : txn_(txn) {}
    Lmdb_cursor(const Lmdb_cursor &) = delete;
    Lmdb_cursor &operator=(const Lmdb_cursor &) = delete;
    ~Lmdb_cursor();

    // Nothing: the end. As with get(), the bytes are in the map.
    Result<std::optional<Entry>> first_from(std::string_view key);
    Result<std::optional<Entry>> next();
    Result<std::optional<Entry>> last();

  private:
    Result<std::optional<Entry>> move(MDB_cursor_op operation, std::string_view key);

    const Lmdb_txn &txn_;
    MDB_cursor *cursor_ = nullptr;
};

} // namespace proxymap
