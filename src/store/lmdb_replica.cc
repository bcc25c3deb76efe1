// See lmdb_replica.h.
#include "lmdb_replica.h"

#include "fault_point.h"
#include "lmdb_journal.h"
#include "lmdb_layout.h"

namespace proxymap {

Result<std::unique_ptr<Replica>> Replica::open(const Table_config &config)
{
    auto env = Lmdb_env::open(config.path, config.max_size, Lmdb_env::Mode::write);
    if (!env)
        return env.error();
    return std::make_unique<Replica>(Private{}, std::move(*env));
}

Result<Replica::State> Replica::state() const
{
    std::optional<Lmdb_txn> holder;
    const Lmdb_txn *txn = writing_ ? &*writing_ : nullptr;
    if (txn == nullptr) {
        auto reading = env_->read();
        if (!reading)
            return reading.error();
        txn = &holder.emplace(std::move(*reading));
    }
    const auto value = txn->get(position_key);
    if (!value)
        return value.error();
    if (!*value)
        return State{};
    const auto position = read_position(*txn, env_->files());
    if (!position)
        return position.error();
    const auto follows = read_follows(*txn, env_->files());
    if (!follows)
        return follows.error();
    return State{*position, *follows};
}

Result<Done> Replica::begin()
{
    if (writing_)
        return Error{"lmdb replica: a transaction is running already"};
    auto txn = env_->write();
    if (!txn)
        return txn.error();
    writing_.emplace(std::move(*txn));
    return Done{};
}

Result<Done> Replica::clear()
{
    return writing_->clear();
}

Result<Done> Replica::put(Kind kind, const std::string &name, std::string_view text)
{
    return writing_->put(lmdb_key(kind, name), text, false);
}

Result<Done> Replica::remove(Kind kind, const std::string &name)
{
    return writing_->remove(lmdb_key(kind, name));
}

Result<Done> Replica::log(const Position &position, const std::string &text)
{
    return write_log(*writing_, position, text);
}

Result<Done> Replica::commit(const Position &position)
{
    auto done = writing_->put(position_key, format_position(position), false);
    if (done)
        done = writing_->put(role_key, follower_role, false);
    if (done) {
        fault_point("before-commit");
        done = writing_->commit();
    }
    writing_.reset();
    if (done)
        fault_point("after-commit");
    return done;
}

} // namespace proxymap
