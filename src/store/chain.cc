// The chain of stores. MUST never let a later store turn what an earlier one found or proved into
// something else, and never take `unavailable` for `missing`.
#include "chain.h"

#include "../core/proxy_report.h"
#include "lmdb_table.h"
#include "memcached_mirror.h"
#include "pending_requests.h"

#include <map>
#include <memory>
#include <utility>

namespace proxymap {

namespace {

class Chain final : public Store {
  public:
    explicit Chain(std::vector<std::unique_ptr<Store>> stores); // at least one
    ~Chain() override;
    Chain(const Chain &) = delete;
    Chain &operator=(const Chain &) = delete;

    const std::string &name() const override { return name_; }
    void poll(Poll_callback done) override;
    void get(std::vector<Key> keys, std::uint64_t deadline, Answers_callback callback) override;

  private:
    struct Job {
        std::vector<Key> keys;
        std::vector<Answer> answers;        // one a key; unavailable until decided
        std::vector<std::size_t> undecided; // keys that the store of now was asked for
        std::size_t store = 0;              // the one of now
        std::uint64_t deadline = 0;
        Answers_callback callback;
    };

    void ask(std::uint64_t id);
    void store_answered(std::uint64_t id, std::vector<Answer> answers);

    std::string name_;
    std::map<std::uint64_t, Job> jobs_;
    std::uint64_t last_id_ = 0;
    bool closing_ = false;
    std::vector<std::unique_ptr<Store>>
        stores_; // last: what it answers when it goes needs the rest
};

Chain::Chain(std::vector<std::unique_ptr<Store>> stores) : stores_(std::move(stores))
{
    for (const auto &store : stores_) {
        name_ += (name_.empty() ? "" : " ") + store->name();
    }
}

Chain::~Chain()
{
    closing_ = true;
    stores_.clear(); // each answers what it was asked, and so ends its jobs
}

void Chain::get(std::vector<Key> keys, std::uint64_t deadline, Answers_callback callback)
{
    Job job;
    job.answers.resize(keys.size());
    job.undecided.resize(keys.size());
    for (std::size_t i = 0; i < keys.size(); i++) {
        job.undecided[i] = i;
    }
    job.keys = std::move(keys);
    job.deadline = deadline;
    job.callback = std::move(callback);
    const auto id = ++last_id_;
    jobs_.emplace(id, std::move(job));
    ask(id);
}

void Chain::poll(Poll_callback done)
{
    // Each store has a share in the end of the round.
    const std::shared_ptr<void> round(nullptr, [done = std::move(done)](void *) {
        if (done)
            done();
    });
    for (const auto &store : stores_) {
        store->poll([round] {});
    }
}

// Hands what is undecided to the store of now. While others remain it gets half of what is left.
void Chain::ask(std::uint64_t id)
{
    const auto &job = jobs_.at(id);
    std::vector<Key> keys;
    keys.reserve(job.undecided.size());
    for (const auto index : job.undecided) {
        keys.push_back(job.keys[index]);
    }
    auto deadline = job.deadline;
    if (const auto now = monotonic_ms(); job.store + 1 < stores_.size() && deadline > now) {
        deadline = now + (deadline - now) / 2;
    }
    stores_[job.store]->get(std::move(keys), deadline,
                            [this, id](auto answers) { store_answered(id, std::move(answers)); });
}

void Chain::store_answered(std::uint64_t id, std::vector<Answer> answers)
{
    auto &job = jobs_.at(id);
    std::vector<std::size_t> undecided;
    for (std::size_t i = 0; i < job.undecided.size(); i++) {
        auto &known = job.answers[job.undecided[i]];
        auto &answer = answers[i];
        if (answer.outcome == Outcome::unavailable) {
            undecided.push_back(job.undecided[i]);
            answer.present |= known.present;
            answer.overtaken |= known.overtaken;
        }
        if (!known.why.empty())
            answer.why = known.why + (answer.why.empty() ? "" : "; " + answer.why);
        known = std::move(answer);
    }
    job.undecided = std::move(undecided);
    if (!job.undecided.empty() && job.store + 1 < stores_.size() && !closing_) {
        job.store++;
        ask(id);
        return;
    }
    auto done = std::move(jobs_.extract(id).mapped());
    done.callback(std::move(done.answers)); // may destroy the chain
}

// What an empty setting amounts to; there is nobody to ask.
class No_store final : public Store {
  public:
    explicit No_store(Loop &loop) : pending_(loop, [](const auto &requests) { answer(requests); })
    {
    }
    ~No_store() override { answer(pending_.take_all()); }
    No_store(const No_store &) = delete;
    No_store &operator=(const No_store &) = delete;

    const std::string &name() const override { return name_; }
    void get(std::vector<Key> keys, std::uint64_t /*deadline*/, Answers_callback callback) override
    {
        const auto now = monotonic_ms();
        pending_.add({std::move(keys), now, now, {}, std::move(callback)});
    }

  private:
    static void answer(const std::vector<Pending_requests::Request> &requests)
    {
        for (const auto &request : requests) {
            const Answer answer{Outcome::unavailable, nullptr, "no store is configured", "none"};
            request.callback(std::vector<Answer>(request.keys.size(), answer));
        }
    }

    std::string name_ = "none";
    Pending_requests pending_;
};

} // namespace

std::unique_ptr<Store> make_chain(std::vector<std::unique_ptr<Store>> stores, Loop &loop)
{
    if (stores.empty()) {
        return std::make_unique<No_store>(loop);
    }
    if (stores.size() == 1) {
        return std::move(stores.front());
    }
    return std::make_unique<Chain>(std::move(stores));
}

std::unique_ptr<Store> make_store(const Store_address &address, const Settings &settings,
                                  const Seal_keys &seal_keys, Loop &loop, Map_news &news,
                                  const std::string &proxy_name)
{
    if (address.type == Store_address::Type::lmdb) {
        Table_config config;
        config.path = address.path.empty() ? settings.table : address.path;
        config.key_case = settings.key_case;
        config.max_size = settings.table_max_size;
        return make_lmdb_store(config, loop, news);
    }
    Mirror_config config;
    config.address = address;
    config.name_space = settings.name_space;
    config.key_case = settings.key_case;
    config.timeout = settings.lookup_timeout;
    config.breaker_failures = settings.breaker_failures;
    config.breaker_pause = settings.breaker_pause;
    config.seal_keys = seal_keys;
    config.require_seal = settings.require_seal;
    config.proxy_name = proxy_name;
    return make_memcached_mirror(config, loop, news);
}

std::unique_ptr<Store> make_stores(const Settings &settings, const Seal_keys &seal_keys, Loop &loop,
                                   Map_news &news, Polling polling)
{
    std::vector<std::unique_ptr<Store>> stores;
    for (const auto &address : settings.stores) {
        stores.push_back(
            make_store(address, settings, seal_keys, loop, news, own_proxy_name(settings)));
    }
    const bool several = stores.size() > 1;
    return make_polled_stores(make_chain(std::move(stores), loop), loop, polling, several);
}

} // namespace proxymap
