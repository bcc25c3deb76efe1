// The table for the tool: reads and writes. A second writer, in whichever process, waits in begin()
// for the first one's commit; readers never wait.
//
// MUST: whatever fails between begin() and commit(), nothing of it happens. What is committed is in
// the journal, by the same commit.
//
// LMDB keeps every page that a transaction has changed in memory until the commit. The first
// transaction of a table, which may be an import of any size, is therefore written in pieces: until
// the position says 1 nobody reads the table, so nobody sees them. What is left of such pieces by a
// process that was killed goes with the next begin(). A later transaction is one of LMDB's too.
#include "lmdb_table.h"

#include "fault_point.h"
#include "lmdb_journal.h"
#include "lmdb_layout.h"

#include <sys/random.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <ctime>
#include <utility>

namespace proxymap {
namespace {

constexpr std::size_t max_piece_bytes = 8U << 20U; // keys and values

// The order of an export: what is named comes before what names it.
constexpr std::array kinds = {Kind::backend, Kind::user, Kind::domain, Kind::default_route};

std::string key_prefix(Kind kind)
{
    return std::string(to_string(kind)) + ':';
}

Result<std::uint64_t> random_table_id()
{
    std::uint64_t id = 0;
    while (id == 0) {
        if (getrandom(&id, sizeof(id), 0) != sizeof(id) && errno != EINTR)
            return Error{"cannot get a random number for the id of the lmdb table"};
    }
    return id;
}

std::uint64_t now()
{
    return static_cast<std::uint64_t>(std::time(nullptr));
}

class Lmdb_table final : public Table {
  public:
    Lmdb_table(std::shared_ptr<Lmdb_env> env, Key_case key_case)
        : env_(std::move(env)), key_case_(key_case)
    {
    }

    Result<Done> init();

    Position position() override;
    Result<bool> follows() override;
    Result<std::optional<Record>> get(Kind kind, const std::string &name) override;
    Result<Done> for_each(const std::function<bool(const Record &)> &each) override;
    Result<Done> begin() override;
    Result<Done> put_text(Kind kind, const std::string &name, std::string_view text) override;
    Result<Done> remove(Kind kind, const std::string &name) override;
    Result<Position> commit() override;
    void abort() override;
    Position next_position() override { return next_; }
    Result<Done> promote(std::uint32_t seen) override;
    Result<Done> for_each_text(const Each_text &each) override;
    Result<Changes> changes_since(const Position &position) override;
    Result<std::optional<std::string>> journal_text(const Position &position) override;
    Position before_commit() override { return before_position_; }
    Result<Done> for_each_change(const Each_change &each) override;
    Result<std::optional<Mirror_note>> mirror_note(const std::string &mirror) override;
    Result<Done> note_mirrors(const std::vector<Mirror_note> &notes) override;

  private:
    using Entry = std::optional<Lmdb_cursor::Entry>;

    Result<Done> start();
    Result<Done> drop_leftovers(const Position &position);
    Result<Done> write_piece();
    void drop_pieces();
    void end();
    Result<Done> walk_named_changes(const Lmdb_txn &now, const Each_change &each);
    Result<Done> walk_all_changes(const Lmdb_txn &now, std::string_view prefix,
                                  const Each_change &each, bool *stopped_r);
    static Result<Done> walk(const Lmdb_txn &txn, const Each_text &each);
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
    bool follows_ = false; // it is a replica, and the transaction does not make it a table
    bool promotes_ = false;
    std::size_t piece_bytes_ = 0; // written since the last piece
    bool has_pieces_ = false;
    unsigned walks_ = 0;   // that are running, over what may be the running transaction
    Changed_keys changed_; // by the transaction that is running, or that was committed last

    // The table as it was before that transaction. Costs the writer nothing: LMDB never takes the
    // pages of the last commit for the next one. Null: there was no record.
    std::optional<Lmdb_txn> before_;
    Position before_position_; // unknown: there is no such transaction
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
        auto done = writing_->put(position_key, format_position({*id, 1, 0}), false);
        if (done)
            done = writing_->commit();
        abort();
        return done;
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
    before_.reset();
    before_position_ = {};
    auto txn = env_->write();
    if (!txn)
        return txn.error();
    writing_.emplace(std::move(*txn));
    failed_ = false;
    follows_ = false;
    promotes_ = false;
    piece_bytes_ = 0;
    next_ = {};
    changed_ = {};
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
    const auto follows = read_follows(*writing_, env_->files());
    if (!follows) {
        abort();
        return follows.error();
    }
    follows_ = *follows;
    if (position->written()) {
        auto before = env_->read(); // nobody else can commit now
        if (!before) {
            abort();
            return before.error();
        }
        before_.emplace(std::move(*before));
    } else if (auto dropped = drop_leftovers(*position); !dropped) {
        abort();
        return dropped;
    }
    before_position_ = *position;
    next_ = *position;
    next_.sequence++;
    return Done{};
}

// The pieces of a first transaction that did not come to its commit.
Result<Done> Lmdb_table::drop_leftovers(const Position &position)
{
    if (follows_)
        return Done{};
    auto done = writing_->clear();
    if (done)
        done = writing_->put(position_key, format_position(position), false);
    last_key_ = position_key;
    return done;
}

// Nobody reads them, but they take room. What cannot be dropped now goes with the next begin().
void Lmdb_table::drop_pieces()
{
    if (!std::exchange(has_pieces_, false) || !start())
        return;
    const auto position = read_position(*writing_, env_->files());
    if (position && !position->written() && drop_leftovers(*position))
        (void)writing_->commit();
    end();
}

// MUST: nobody else writes between two pieces. The tool's lock sees to it; this sees that it did.
Result<Done> Lmdb_table::write_piece()
{
    const std::size_t number = writing_->number();
    const auto done = writing_->commit();
    writing_.reset();
    if (!done)
        return done;
    has_pieces_ = true;
    auto next = env_->write();
    if (!next)
        return next.error();
    if (next->number() != number + 1)
        return Error{"lmdb table " + env_->files().data() + ": somebody else has written to it"};
    writing_.emplace(std::move(*next));
    piece_bytes_ = 0;
    return Done{};
}

Result<Done> Lmdb_table::must_be_writing() const
{
    if (!writing_)
        return Error{"lmdb table: no transaction is running"};
    if (failed_)
        return Error{"lmdb table: the transaction has failed already"};
    if (follows_)
        return follower_error(env_->files().folder());
    return Done{};
}

Result<Done> Lmdb_table::checked(Result<Done> result)
{
    if (!result)
        failed_ = true;
    return result;
}

Result<Done> Lmdb_table::put_text(Kind kind, const std::string &name, std::string_view text)
{
    if (auto writing = must_be_writing(); !writing)
        return writing;
    std::string key = lmdb_key(kind, name);
    const bool append = key > last_key_;
    const std::string value = format_stored_record(text, next_);
    auto done = checked(writing_->put(key, value, append));
    if (done && append)
        last_key_ = key;
    piece_bytes_ += key.size() + value.size();
    changed_.add(std::move(key), kind, name);
    if (done && !before_ && walks_ == 0 && piece_bytes_ >= max_piece_bytes)
        done = checked(write_piece());
    return done;
}

Result<Done> Lmdb_table::remove(Kind kind, const std::string &name)
{
    if (auto writing = must_be_writing(); !writing)
        return writing;
    std::string key = lmdb_key(kind, name);
    auto done = checked(writing_->remove(key));
    changed_.add(std::move(key), kind, name);
    return done;
}

Result<Done> Lmdb_table::promote(std::uint32_t seen)
{
    follows_ = false;
    if (auto writing = must_be_writing(); !writing)
        return writing;
    if (!changed_.empty()) // their records bear the old epoch
        return checked(Error{"lmdb table: records were changed before the epoch"});
    const std::uint32_t highest = std::max(next_.epoch, seen);
    if (highest == UINT32_MAX)
        return checked(
            Error{"lmdb table: there is no higher epoch than " + std::to_string(highest)});
    next_.epoch = highest + 1;
    promotes_ = true;
    changed_.add_all();
    return Done{};
}

Result<Position> Lmdb_table::commit()
{
    auto done = must_be_writing();
    if (done)
        done = write_log(*writing_, next_, format_journal_time(now()) + changed_.text());
    if (done)
        done = writing_->put(position_key, format_position(next_), false);
    if (done && promotes_)
        done = writing_->remove(role_key);
    if (done) {
        fault_point("before-commit");
        done = writing_->commit();
    }
    if (!done) {
        abort();
        return done.error();
    }
    end();
    has_pieces_ = false;
    fault_point("after-commit");
    return next_;
}

void Lmdb_table::abort()
{
    end();
    drop_pieces();
    before_.reset();
    before_position_ = {};
}

void Lmdb_table::end()
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

Result<bool> Lmdb_table::follows()
{
    std::optional<Lmdb_txn> holder;
    const auto txn = view(holder);
    return txn ? read_follows(**txn, env_->files()) : Result<bool>(txn.error());
}

Result<std::optional<Record>> Lmdb_table::get(Kind kind, const std::string &name)
{
    std::optional<Lmdb_txn> holder;
    const auto txn = view(holder);
    if (!txn)
        return txn.error();
    return read_record(**txn, kind, name, key_case_);
}

Result<Done> Lmdb_table::for_each(const std::function<bool(const Record &)> &each)
{
    std::optional<Error> error;
    const auto walked = for_each_text([&](std::string_view key, std::string_view text) {
        const auto record = parse_entry(key, text, key_case_);
        if (!record)
            error = record.error();
        return record && each(*record);
    });
    return error ? *error : walked;
}

// Within a kind, the order is that of the keys: names as key.h writes them, hashed ones first.
// `each` may put and remove.
Result<Done> Lmdb_table::for_each_text(const Each_text &each)
{
    std::optional<Lmdb_txn> holder;
    const auto txn = view(holder);
    if (!txn)
        return txn.error();
    walks_++;
    const auto done = walk(**txn, each);
    walks_--;
    return done;
}

Result<Done> Lmdb_table::walk(const Lmdb_txn &txn, const Each_text &each)
{
    Lmdb_cursor cursor(txn);
    for (const Kind kind : kinds) {
        const std::string prefix = key_prefix(kind);
        auto entry = cursor.first_from(prefix);
        for (; entry && *entry && (*entry)->key.starts_with(prefix); entry = cursor.next()) {
            if (!each((*entry)->key, (*entry)->value))
                return Done{};
        }
        if (!entry)
            return entry.error();
    }
    return Done{};
}

Result<Changes> Lmdb_table::changes_since(const Position &position)
{
    std::optional<Lmdb_txn> holder;
    const auto txn = view(holder);
    if (!txn)
        return txn.error();
    const auto now = read_position(**txn, env_->files());
    return now ? read_changes(**txn, position, *now) : now.error();
}

Result<std::optional<std::string>> Lmdb_table::journal_text(const Position &position)
{
    std::optional<Lmdb_txn> holder;
    const auto txn = view(holder);
    if (!txn)
        return txn.error();
    const auto text = (*txn)->get(log_key(position));
    if (!text)
        return text.error();
    return *text ? std::optional<std::string>(**text) : std::nullopt;
}

Result<Done> Lmdb_table::for_each_change(const Each_change &each)
{
    if (!before_position_.known() || writing_)
        return Error{"lmdb table: no transaction was committed"};
    const auto now = env_->read();
    if (!now)
        return now.error();
    if (!changed_.all())
        return walk_named_changes(*now, each);
    bool stopped = false;
    for (const Kind kind : kinds) {
        auto walked = walk_all_changes(*now, key_prefix(kind), each, &stopped);
        if (!walked || stopped)
            return walked;
    }
    return Done{};
}

Result<Done> Lmdb_table::walk_named_changes(const Lmdb_txn &now, const Each_change &each)
{
    for (const auto &[key, line] : changed_.lines()) {
        const auto old_text =
            before_ ? before_->get(key) : Result<std::optional<std::string_view>>(std::nullopt);
        if (!old_text)
            return old_text.error();
        const auto new_text = now.get(key);
        if (!new_text)
            return new_text.error();
        const Table_change change{key, old_text->value_or(""), new_text->value_or("")};
        if (change.before != change.after && !each(change))
            break;
    }
    return Done{};
}

// Both states side by side, in the order of the keys.
Result<Done> Lmdb_table::walk_all_changes(const Lmdb_txn &now, std::string_view prefix,
                                          const Each_change &each, bool *stopped_r)
{
    std::optional<Lmdb_cursor> old_cursor;
    if (before_)
        old_cursor.emplace(*before_);
    Lmdb_cursor new_cursor(now);
    const auto of_kind = [&](const Result<Entry> &entry) {
        return *entry && (*entry)->key.starts_with(prefix);
    };
    auto old_entry = old_cursor ? old_cursor->first_from(prefix) : Result<Entry>(Entry());
    auto new_entry = new_cursor.first_from(prefix);
    while (old_entry && new_entry) {
        const bool has_old = of_kind(old_entry);
        const bool has_new = of_kind(new_entry);
        if (!has_old && !has_new)
            return Done{};
        const int order = !has_old   ? 1
                          : !has_new ? -1
                                     : (*old_entry)->key.compare((*new_entry)->key);
        Table_change change;
        if (order <= 0)
            change = {(*old_entry)->key, (*old_entry)->value, ""};
        if (order >= 0)
            change = {(*new_entry)->key, change.before, (*new_entry)->value};
        if (change.before != change.after && !each(change)) {
            *stopped_r = true;
            return Done{};
        }
        if (order <= 0)
            old_entry = old_cursor->next();
        if (order >= 0)
            new_entry = new_cursor.next();
    }
    return old_entry ? new_entry.error() : old_entry.error();
}

Result<std::optional<Mirror_note>> Lmdb_table::mirror_note(const std::string &mirror)
{
    std::optional<Lmdb_txn> holder;
    const auto txn = view(holder);
    if (!txn)
        return txn.error();
    const std::string key = mirror_note_key(mirror);
    const auto value = (*txn)->get(key);
    if (!value)
        return value.error();
    if (!*value)
        return std::optional<Mirror_note>();
    const auto position = parse_position(**value);
    if (!position)
        return Error{"lmdb: " + key + " holds no position"};
    return std::optional(Mirror_note{mirror, *position});
}

Result<Done> Lmdb_table::note_mirrors(const std::vector<Mirror_note> &notes)
{
    if (writing_)
        return Error{"lmdb table: a transaction is running already"};
    auto txn = env_->write();
    if (!txn)
        return txn.error();
    const auto follows = read_follows(*txn, env_->files());
    if (!follows || *follows)
        return follows ? follower_error(env_->files().folder()) : follows.error();
    for (const auto &[mirror, finished] : notes) {
        auto done = txn->put(mirror_note_key(mirror), format_position(finished), false);
        if (!done)
            return done;
    }
    return txn->commit();
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
