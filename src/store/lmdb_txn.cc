// See lmdb_txn.h.
#include "lmdb_txn.h"

#include "lmdb_env.h"

#include <string>

namespace proxymap {
namespace {

MDB_val to_val(std::string_view bytes)
{
    // LMDB takes void * for what it only reads.
    return {bytes.size(), const_cast<char *>(bytes.data())};
}

std::string_view to_view(const MDB_val &val)
{
    return {static_cast<const char *>(val.mv_data), val.mv_size};
}

} // namespace

Lmdb_txn::~Lmdb_txn()
{
    if (txn_ == nullptr)
        return;
    env_->running_--;
    if (writes_) {
        env_->writing_ = false;
        if (env_->usable()) // else it is the parent's, and so is LMDB's mutex
            mdb_txn_abort(txn_);
    } else {
        env_->end_read(txn_);
    }
}

Result<std::optional<std::string_view>> Lmdb_txn::get(std::string_view key) const
{
    MDB_val wanted = to_val(key);
    MDB_val found{};
    const int code = mdb_get(txn_, env_->dbi_, &wanted, &found);
    if (code == MDB_NOTFOUND)
        return std::optional<std::string_view>();
    if (code != 0)
        return env_->error("cannot read " + std::string(key), code);
    return std::optional(to_view(found));
}

Result<Done> Lmdb_txn::put(std::string_view key, std::string_view value, bool append)
{
    MDB_val name = to_val(key);
    MDB_val bytes = to_val(value);
    const int code = mdb_put(txn_, env_->dbi_, &name, &bytes, append ? MDB_APPEND : 0U);
    if (code != 0)
        return env_->error("cannot write " + std::string(key), code);
    return Done{};
}

Result<Done> Lmdb_txn::remove(std::string_view key)
{
    MDB_val name = to_val(key);
    const int code = mdb_del(txn_, env_->dbi_, &name, nullptr);
    if (code != 0 && code != MDB_NOTFOUND)
        return env_->error("cannot remove " + std::string(key), code);
    return Done{};
}

Result<Done> Lmdb_txn::clear()
{
    const int code = mdb_drop(txn_, env_->dbi_, 0);
    if (code != 0)
        return env_->error("cannot be emptied", code);
    return Done{};
}

Result<Done> Lmdb_txn::commit()
{
    const int code = mdb_txn_commit(std::exchange(txn_, nullptr));
    env_->running_--;
    env_->writing_ = false;
    if (code != 0)
        return env_->error("cannot commit", code);
    env_->pad_file();
    return Done{};
}

Lmdb_cursor::~Lmdb_cursor()
{
    if (cursor_ != nullptr)
        mdb_cursor_close(cursor_);
}

Result<std::optional<Lmdb_cursor::Entry>> Lmdb_cursor::move(MDB_cursor_op operation,
                                                            std::string_view key)
{
    MDB_val name = to_val(key);
    MDB_val value{};
    int code = 0;
    if (cursor_ == nullptr)
        code = mdb_cursor_open(txn_.txn_, txn_.env_->dbi_, &cursor_);
    if (code == 0)
        code = mdb_cursor_get(cursor_, &name, &value, operation);
    if (code == MDB_NOTFOUND)
        return std::optional<Entry>();
    if (code != 0)
        return txn_.env_->error("cannot read", code);
    return std::optional(Entry{to_view(name), to_view(value)});
}

Result<std::optional<Lmdb_cursor::Entry>> Lmdb_cursor::first_from(std::string_view key)
{
    return move(MDB_SET_RANGE, key);
}

Result<std::optional<Lmdb_cursor::Entry>> Lmdb_cursor::next()
{
    return move(MDB_NEXT, {});
}
Result<std::optional<Lmdb_cursor::Entry>> Lmdb_cursor::last()
{
    return move(MDB_LAST, {});
}

} // namespace proxymap
