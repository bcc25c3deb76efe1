// The table for the tool: reads and writes. A second writer, in whichever process, waits in begin()
// for the first one's commit; readers never wait.
//
// MUST: whatever fails between begin() and commit(), nothing of it happens.
#include "lmdb_table.h"

#include "lmdb_layout.h"

#include <sys/random.h>

#include <array>
#include <cerrno>
#include <utility>

namespace proxymap {
namespace {

// The order of an export: what is named comes before what names it.
constexpr std::array kinds = {Kind::backend, Kind::user, Kind::domain, Kind::default_route};

Result<std::uint64_t> random_table_id()
{
    std::uint64_t id = 0;
    while (id == 0) {
        if (getrandom(&id, sizeof(id), 0) != sizeof(id) && errno != EINTR)
            return Error{"cannot get a random number for the id of the lmdb table"};
    }
    return id;
}

class Lmdb_table final : public Table {
  public:
    Lmdb_table(std::shared_ptr<Lmdb_env> env, Key_case key_case)
        : env_(std::move(env)), key_case_(key_case)
    {
    }

    Result<Done> init();

    Position position() override;
    Result<std::optional<Record>> get(Kind kind, const std::string &name) override;
    Result<Done> for_each(const std::function<bool(const Record &)> &each) override;
    Result<Done> begin() override;
    Result<Done> put(const Record &record) override;
    Result<Done> remove(Kind kind, const std::string &name) override;
    Result<Position> commit() override;
    void abort() override;
    Position next_position() override { return next_; }

  private:
    Result<Done> start();
    Result<Done> must_be_writing() const;
    Result<Done> checked(Result<Done> result);
    // What reads shall see: the running transaction, or a snapshot that is kept in holder.
    Result<const Lmdb_txn *> view(std::optional<Lmdb_txn> &holder);

    std::shared_ptr<Lmdb_env> env_;
    Key_case key_case_;
    std::optional<Lmdb_txn> writing_;
    Position next_;
    std::string last_key_; // no key of the table is greater
    bool failed_ = false;  // this transaction must not be committed
};

// A new table gets its id and position here.
Result<Done> Lmdb_table::init()
{
    if (auto started = start(); !started)
        return started;
    if (last_key_.empty()) {
        const auto id = random_table_id();
        if (!id)
            return id.error();
        next_ = {*id, 1, 0};
        const auto done = commit();
        return done ? Result<Done>(Done{}) : done.error();
    }
    const auto position = read_position(*writing_, env_->files());
    abort();
    return position ? Result<Done>(Done{}) : position.error();
}

// Begins without asking for a position: a new table has none.
Result<Done> Lmdb_table::start()
{
    if (writing_)
        return Error{"lmdb table: a transaction is running already"};
    auto txn = env_->write();
    if (!txn)
        return txn.error();
    writing_.emplace(std::move(*txn));
    failed_ = false;
    next_ = {};
    Lmdb_cursor cursor(*writing_);
    const auto last = cursor.last();
    if (!last) {
        Error why = last.error();
        abort();
        return why;
    }
    last_key_ = *last ? std::string((*last)->key) : std::string();
    return Done{};
}

Result<Done> Lmdb_table::begin()
{
    if (auto started = start(); !started)
        return started;
    const auto position = read_position(*writing_, env_->files());
    if (!position) {
        abort();
        return position.error();
    }
    next_ = *position;
    next_.sequence++;
    return Done{};
}

Result<Done> Lmdb_table::must_be_writing() const
{
    if (!writing_)
        return Error{"lmdb table: no transaction is running"};
    if (failed_)
        return Error{"lmdb table: the transaction has failed already"};
    return Done{};
}

Result<Done> Lmdb_table::checked(Result<Done> result)
{
    if (!result)
        failed_ = true;
    return result;
}

Result<Done> Lmdb_table::put(const Record &record)
{
    if (auto writing = must_be_writing(); !writing)
        return writing;
    Record stored = record;
    stored.position = next_;
    std::string key = lmdb_key(record.kind, record.name);
    const bool append = key > last_key_;
    auto done = checked(writing_->put(key, format_stored_record(stored), append));
    if (done && append)
        last_key_ = std::move(key);
    return done;
}

Result<Done> Lmdb_table::remove(Kind kind, const std::string &name)
{
    if (auto writing = must_be_writing(); !writing)
        return writing;
    return checked(writing_->remove(lmdb_key(kind, name)));
}

Result<Position> Lmdb_table::commit()
{
    auto done = must_be_writing();
    if (done)
        done = writing_->put(position_key, format_position(next_), false);
    if (done)
        done = writing_->commit();
    abort(); // what is left of it
    if (!done)
        return done.error();
    return next_;
}

void Lmdb_table::abort()
{
    writing_.reset();
    failed_ = false;
}

Result<const Lmdb_txn *> Lmdb_table::view(std::optional<Lmdb_txn> &holder)
{
    if (writing_)
        return &*writing_;
    auto txn = env_->read();
    if (!txn)
        return txn.error();
    return &holder.emplace(std::move(*txn));
}

Position Lmdb_table::position()
{
    std::optional<Lmdb_txn> holder;
    const auto txn = view(holder);
    if (!txn)
        return {};
    const auto position = read_position(**txn, env_->files());
    return position ? *position : Position{};
}

Result<std::optional<Record>> Lmdb_table::get(Kind kind, const std::string &name)
{
    std::optional<Lmdb_txn> holder;
    const auto txn = view(holder);
    if (!txn)
        return txn.error();
    return read_record(**txn, kind, name, key_case_);
}

// Within a kind, the order is that of the keys: names as key.h writes them, hashed ones first.
// `each` may put and remove.
Result<Done> Lmdb_table::for_each(const std::function<bool(const Record &)> &each)
{
    std::optional<Lmdb_txn> holder;
    const auto txn = view(holder);
    if (!txn)
        return txn.error();
    Lmdb_cursor cursor(**txn);
    for (const Kind kind : kinds) {
        const std::string prefix = std::string(to_string(kind)) + ':';
        auto entry = cursor.first_from(prefix);
        while (entry && *entry && (*entry)->key.starts_with(prefix)) {
            const auto record = parse_entry((*entry)->key, (*entry)->value, key_case_);
            if (!record)
                return record.error();
            if (!each(*record))
                return Done{};
            entry = cursor.next();
        }
        if (!entry)
            return entry.error();
    }
    return Done{};
}

} // namespace

Result<std::unique_ptr<Table>> Table::open(const Table_config &config, Mode mode)
{
    auto env = Lmdb_env::open(config.path, config.max_size,
                              mode == Mode::write ? Lmdb_env::Mode::write : Lmdb_env::Mode::read);
    if (!env)
        return env.error();
    auto table = std::make_unique<Lmdb_table>(*env, config.key_case);
    if (mode == Mode::write) {
        if (const auto ready = table->init(); !ready)
            return ready.error();
    } else if (const auto txn = (*env)->read(); !txn) {
        return txn.error();
    } else if (const auto position = read_position(*txn, (*env)->files()); !position) {
        return position.error();
    }
    return std::unique_ptr<Table>(std::move(table));
}

} // namespace proxymap
