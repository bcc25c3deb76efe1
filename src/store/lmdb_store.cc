// The reader of an LMDB table in auth. A lookup is a look into mapped memory, so it is done in the
// loop's own thread; answers come from the loop all the same, as from every store.
//
// MUST: a table that is absent, unreadable, never written, of another id or behind the newest
// position seen is `unavailable`, for hits and misses alike. It proves a miss only from a snapshot
// that also holds a current position, and what changed until there is told before any answer. One
// snapshot a request, given back at once: a reader that keeps one makes the file grow.
#include "lmdb_journal.h"
#include "lmdb_layout.h"
#include "lmdb_table.h"

#include <utility>

namespace proxymap {
namespace {

constexpr std::uint64_t look_again_ms = 1000; // for another file, and for an absent table

class Lmdb_store final : public Store {
  public:
    Lmdb_store(const Table_config &config, Loop &loop, Map_news &news)
        : config_(config), loop_(loop), news_(news)
    {
    }
    Lmdb_store(const Lmdb_store &) = delete;
    Lmdb_store &operator=(const Lmdb_store &) = delete;
    ~Lmdb_store() override;

    const std::string &name() const override { return name_; }
    void poll(Poll_callback done) override;
    void get(std::vector<Key> keys, std::uint64_t deadline, Answers_callback callback) override;

  private:
    struct Request {
        std::vector<Key> keys;
        Answers_callback callback;
    };

    void answer_all();
    std::vector<Answer> look_up(const std::vector<Key> &keys);
    std::vector<Answer> unavailable(std::size_t count, const std::string &why) const;
    Result<Lmdb_txn> snapshot();
    Result<Done> open(std::uint64_t now);
    Result<Position> check_position(const Lmdb_txn &txn);

    const std::string name_ = "lmdb";
    const std::string_view kept_name_ = kept_name(name_);
    const Table_config config_;
    Loop &loop_;
    Map_news &news_;
    std::shared_ptr<Lmdb_env> env_; // null until the first lookup
    std::uint64_t next_look_ = 0;   // open: for another file; else: for a table
    std::string why_closed_;
    std::vector<Request> queue_;
    std::unique_ptr<Loop::Watch> timer_; // set while the queue is not empty
};

Lmdb_store::~Lmdb_store()
{
    timer_.reset();
    for (auto &request : std::exchange(queue_, {}))
        request.callback(unavailable(request.keys.size(), "lmdb: shutting down"));
}

void Lmdb_store::poll(Poll_callback done)
{
    if (const auto txn = snapshot(); txn)
        (void)check_position(*txn);
    if (done)
        done();
}

// The deadline is not looked at: the answer comes on the loop's next turn.
void Lmdb_store::get(std::vector<Key> keys, std::uint64_t, Answers_callback callback)
{
    queue_.push_back({std::move(keys), std::move(callback)});
    if (!timer_)
        timer_ = loop_.after(0, [this] { answer_all(); });
}

void Lmdb_store::answer_all()
{
    const auto timer = std::move(timer_);
    auto requests = std::exchange(queue_, {});
    std::vector<std::vector<Answer>> answers;
    answers.reserve(requests.size());
    for (const auto &request : requests)
        answers.push_back(look_up(request.keys));
    // From here on `this` may be gone: a callback may destroy the store.
    for (std::size_t i = 0; i < requests.size(); i++)
        requests[i].callback(std::move(answers[i]));
}

std::vector<Answer> Lmdb_store::unavailable(std::size_t count, const std::string &why) const
{
    return std::vector<Answer>(count, Answer{Outcome::unavailable, nullptr, why, kept_name_});
}

std::vector<Answer> Lmdb_store::look_up(const std::vector<Key> &keys)
{
    const auto txn = snapshot();
    if (!txn)
        return unavailable(keys.size(), txn.error().message);
    const auto position = check_position(*txn);
    if (!position)
        return unavailable(keys.size(), position.error().message);

    std::vector<Answer> answers;
    answers.reserve(keys.size());
    for (const auto &key : keys) {
        auto found = read_record(*txn, key.kind, key.name, config_.key_case);
        Answer &answer = answers.emplace_back();
        answer.store = kept_name_;
        answer.as_of = *position;
        if (!found) {
            answer.why = found.error().message;
            answer.present = true;
        } else if (!*found) {
            answer.outcome = Outcome::missing;
        } else {
            answer.outcome = Outcome::found;
            answer.position = (*found)->position;
            answer.record = std::make_shared<const Record>(std::move(**found));
        }
    }
    return answers;
}

Result<Position> Lmdb_store::check_position(const Lmdb_txn &txn)
{
    const auto asked = monotonic_ms();
    const auto position = read_position(txn, env_->files());
    if (!position)
        return position.error();
    // Nor may it be the newest seen: its id is one that no other store has.
    if (!position->written())
        return Error{"lmdb: " + env_->files().data() +
                     " was created, but nothing was ever written to it"};
    if (const auto why = news_.why_not_read(*position); !why.empty())
        return Error{"lmdb: " + env_->files().data() + " is not read: " + why};
    if (const auto &known = news_.position(); *position != known) {
        auto changes = read_changes(txn, known, *position);
        if (!changes)
            return changes.error();
        news_.advance({known, *position, std::move(*changes)});
    }
    news_.confirm(*position, asked);
    return *position;
}

Result<Done> Lmdb_store::open(std::uint64_t now)
{
    env_.reset();
    next_look_ = now + look_again_ms;
    auto opened = Lmdb_env::open(config_.path, config_.max_size, Lmdb_env::Mode::read);
    if (!opened) {
        why_closed_ = opened.error().message;
        return opened.error();
    }
    env_ = std::move(*opened);
    return Done{};
}

Result<Lmdb_txn> Lmdb_store::snapshot()
{
    const std::uint64_t now = monotonic_ms();
    const bool may_look = now >= next_look_;
    if (env_ && env_->usable() && may_look) {
        next_look_ = now + look_again_ms;
        if (env_->replaced())
            env_->close();
    }
    if (!env_ && !may_look)
        return Error{why_closed_};
    // Whatever has become of an environment (closed, the parent's), a new one has another chance.
    for (int tries = 0; tries < 2; tries++) {
        if (!env_ || tries > 0) {
            if (auto opened = open(now); !opened)
                return opened.error();
        }
        auto txn = env_->read();
        if (txn)
            return txn;
        why_closed_ = txn.error().message;
        env_->close();
    }
    env_.reset();
    return Error{why_closed_};
}

} // namespace

std::unique_ptr<Store> make_lmdb_store(const Table_config &config, Loop &loop, Map_news &news)
{
    return std::make_unique<Lmdb_store>(config, loop, news);
}

} // namespace proxymap
