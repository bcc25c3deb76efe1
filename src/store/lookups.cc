// A lookup runs in rounds. Each round resolves with what is known (cache, then the answers this
// lookup has got so far); what is missing is asked for in one request, and its answers start the
// next round. There are at most three: the names, the backend, its failover.
#include "lookups.h"

#include <array>
#include <set>
#include <utility>
#include <vector>

namespace proxymap {

namespace {

// A login resolves at most this many keys: user, domain, default, backend, failover.
constexpr std::size_t max_keys = 5;
constexpr unsigned max_rounds = 4;
// Beyond this many unanswered lookups a new one is unavailable at once: memory stays bounded.
constexpr std::size_t max_pending = 20'000;

struct Lookup;
using Lookup_ref = std::shared_ptr<Lookup>;

// One key on its way. Who waits for it keeps it when it has landed: it holds the record, which so
// outlives its cache entry.
struct Flight {
    Key key;
    Answer answer;
    std::vector<Lookup_ref> waiters; // none: a refresh
    bool landed = false;
};
using Flight_ref = std::shared_ptr<Flight>;
using Flights = std::vector<Flight_ref>;

struct Flight_order {
    using is_transparent = void;
    bool operator()(const Flight_ref &a, const Flight_ref &b) const { return a->key < b->key; }
    bool operator()(const Flight_ref &a, const Key &b) const { return a->key < b; }
    bool operator()(const Key &a, const Flight_ref &b) const { return a < b->key; }
};

// One login that waits.
struct Lookup {
    std::string user;
    Service service;
    std::uint64_t deadline;
    Lookups::Callback callback;
    Flights told;                // what the stores have said so far
    std::size_t waiting_for = 0; // keys in flight
    unsigned rounds = 0;
};

// The cache with the answers of this lookup laid over it.
class Lookup_view final : public View {
  public:
    Lookup_view(Cache &cache, std::uint64_t now, const Flights *told)
        : cache_(cache), now_(now), told_(told)
    {
    }

    const Known *find(Kind kind, std::string_view name) override
    {
        for (std::size_t i = 0; i < used_; i++) {
            if (slots_[i].kind == kind && slots_[i].name == name)
                return &slots_[i].known;
        }
        if (used_ == slots_.size())
            return nullptr;
        Slot &slot = slots_[used_];
        slot.kind = kind;
        slot.name = name;
        if (!fill(slot))
            return nullptr;
        used_++;
        return &slot.known;
    }

    bool used_stale() const { return used_stale_; }
    const std::string &outage() const { return outage_; }
    // Keys whose entries are about to expire.
    const std::vector<Key> &to_refresh() const { return to_refresh_; }

  private:
    struct Slot {
        Kind kind = Kind::user;
        std::string_view name;
        Known known;
    };

    bool fill(Slot &slot)
    {
        if (told_ != nullptr) {
            for (const Flight_ref &told : *told_) {
                if (told->key.kind == slot.kind && told->key.name == slot.name)
                    return fill_told(slot, told->answer);
            }
        }
        Cache_hit hit;
        if (!cache_.find(slot.kind, slot.name, now_, &hit) || hit.age == Age::stale)
            return false;
        if (hit.age == Age::refresh)
            to_refresh_.push_back({slot.kind, std::string(slot.name)});
        slot.known = {hit.outcome, hit.record, false, {}};
        return true;
    }

    bool fill_told(Slot &slot, const Answer &answer)
    {
        if (!answer.why.empty())
            outage_ = answer.why;
        if (answer.outcome != Outcome::unavailable) {
            slot.known = {answer.outcome, answer.record.get(), false, {}};
            return true;
        }
        Cache_hit hit;
        if (cache_.find(slot.kind, slot.name, now_, &hit)) {
            slot.known = {hit.outcome, hit.record, true, {}};
            used_stale_ = true;
            return true;
        }
        slot.known = {Outcome::unavailable, nullptr, false, answer.why};
        return true;
    }

    Cache &cache_;
    std::uint64_t now_;
    const Flights *told_;
    std::array<Slot, max_keys> slots_;
    std::size_t used_ = 0;
    bool used_stale_ = false;
    std::string outage_;
    std::vector<Key> to_refresh_;
};

} // namespace

std::string_view to_string(Cache_use use)
{
    switch (use) {
    case Cache_use::hit:
        return "hit";
    case Cache_use::stale:
        return "stale";
    case Cache_use::miss:
        break;
    }
    return "miss";
}

struct Lookups::Impl {
    const Settings &settings;
    const Credentials &credentials;
    Loop &loop;
    Cache cache;
    std::set<Flight_ref, Flight_order> flights;
    std::size_t pending = 0;
    bool closing = false;
    std::unique_ptr<Loop::Watch> soon;
    std::vector<Lookup_ref> answer_soon;
    std::unique_ptr<Store> stores; // last: dies first, and answers all its callbacks

    Impl(const Settings &settings_, const Credentials &credentials_, Loop &loop_,
         std::unique_ptr<Store> stores_)
        : settings(settings_), credentials(credentials_), loop(loop_),
          cache({settings_.cache_size, settings_.cache_ttl, settings_.cache_negative_ttl,
                 settings_.cache_stale_ttl}),
          stores(std::move(stores_))
    {
    }

    ~Impl()
    {
        closing = true;
        stores.reset();
        for (const Lookup_ref &lookup : std::exchange(answer_soon, {}))
            finish_unavailable(lookup, "shutting down");
    }

    bool from_cache(const Login &login, Lookup_result *result_r);
    std::vector<Key> needed_for(const Login &login);
    void start(const Login &login, const std::vector<Key> &needed, Callback callback);
    void run(const Lookup_ref &lookup);
    void ask(const Lookup_ref &lookup, const std::vector<Key> &keys);
    void fetch(Flights asked, std::uint64_t deadline);
    void land(const Flight_ref &flight, Answer answer);
    void forget_miss(const Key &key);
    void refresh(const std::vector<Key> &keys);
    void finish(const Lookup_ref &lookup, const Lookup_result &result);
    void finish_unavailable(const Lookup_ref &lookup, std::string why);
};

bool Lookups::Impl::from_cache(const Login &login, Lookup_result *result_r)
{
    Lookup_view view(cache, monotonic_ms(), nullptr);
    result_r->resolution = resolve(login, view, settings, credentials);
    if (result_r->resolution.state != Resolution::State::decided)
        return false;
    result_r->cache = Cache_use::hit;
    if (!view.to_refresh().empty())
        refresh(view.to_refresh());
    return true;
}

std::vector<Key> Lookups::Impl::needed_for(const Login &login)
{
    Lookup_view view(cache, monotonic_ms(), nullptr);
    return resolve(login, view, settings, credentials).needed;
}

void Lookups::Impl::start(const Login &login, const std::vector<Key> &needed, Callback callback)
{
    auto lookup = std::make_shared<Lookup>();
    lookup->user = login.user;
    lookup->service = login.service;
    lookup->deadline = monotonic_ms() + settings.lookup_timeout;
    lookup->callback = std::move(callback);
    pending++;

    if (pending <= max_pending && !needed.empty()) {
        ask(lookup, needed);
        return;
    }
    // Decided by the cache after all, or too many: answered from the loop, as promised.
    answer_soon.push_back(lookup);
    if (soon == nullptr) {
        soon = loop.after(0, [this] {
            soon.reset();
            for (const Lookup_ref &waiting : std::exchange(answer_soon, {})) {
                if (pending > max_pending)
                    finish_unavailable(waiting, "too many lookups are waiting for an answer");
                else
                    run(waiting);
            }
        });
    }
}

// The next round: decided, or asks for more.
void Lookups::Impl::run(const Lookup_ref &lookup)
{
    Lookup_result result;
    std::vector<Key> needed;
    {
        Lookup_view view(cache, monotonic_ms(), &lookup->told);
        result.resolution = resolve({lookup->user, lookup->service}, view, settings, credentials);
        result.cache = view.used_stale() ? Cache_use::stale : Cache_use::miss;
        result.outage = view.outage();
        needed = std::move(result.resolution.needed);
    }
    if (result.resolution.state == Resolution::State::decided) {
        if (result.resolution.outcome == Outcome::found)
            result.resolution.route.stale = result.cache == Cache_use::stale;
        if (!lookup->told.empty())
            result.store = lookup->told.back()->answer.store;
        finish(lookup, result);
    } else if (closing) {
        finish_unavailable(lookup, "shutting down");
    } else if (lookup->rounds >= max_rounds) {
        finish_unavailable(lookup, "the route needs more records than a route can have");
    } else if (monotonic_ms() >= lookup->deadline) {
        // The names were answered in time, the backend is not known any more: fall back on what
        // the cache remembers of it.
        for (const Key &key : needed) {
            auto late = std::make_shared<Flight>();
            late->key = key;
            late->answer.why =
                "no time was left to look up " + std::string(to_string(key.kind)) + " " + key.name;
            lookup->told.push_back(std::move(late));
        }
        lookup->rounds++;
        run(lookup);
    } else {
        ask(lookup, needed);
    }
}

void Lookups::Impl::ask(const Lookup_ref &lookup, const std::vector<Key> &keys)
{
    lookup->rounds++;
    Flights to_fetch;
    for (const Key &key : keys) {
        auto known = flights.find(key);
        if (known == flights.end()) {
            auto flight = std::make_shared<Flight>();
            flight->key = key;
            known = flights.insert(std::move(flight)).first;
            to_fetch.push_back(*known);
        }
        (*known)->waiters.push_back(lookup);
        lookup->waiting_for++;
    }
    if (!to_fetch.empty())
        fetch(std::move(to_fetch), lookup->deadline);
}

void Lookups::Impl::fetch(Flights asked, std::uint64_t deadline)
{
    std::vector<Key> keys;
    keys.reserve(asked.size());
    for (const Flight_ref &flight : asked)
        keys.push_back(flight->key);
    try {
        stores->get(std::move(keys), deadline, [this, asked](std::vector<Answer> answers) {
            for (std::size_t i = 0; i < asked.size(); i++)
                land(asked[i], std::move(answers[i]));
        });
    } catch (const std::exception &error) {
        // Out of memory, or of threads. A flight that never lands would keep all later logins
        // waiting.
        Answer answer;
        answer.why = error.what();
        for (const Flight_ref &flight : asked)
            land(flight, answer);
    }
}

void Lookups::Impl::land(const Flight_ref &flight, Answer answer)
{
    if (flight->landed) // a store that threw, and then answered all the same
        return;
    flight->landed = true;
    flight->answer = std::move(answer);
    const Key &key = flight->key;
    if (flight->answer.outcome == Outcome::found)
        cache.put_found(key.kind, key.name, flight->answer.record, monotonic_ms());
    else if (flight->answer.outcome == Outcome::missing)
        cache.put_missing(key.kind, key.name, monotonic_ms());
    else if (flight->answer.present)
        forget_miss(key);

    flights.erase(flight);
    for (const Lookup_ref &lookup : std::exchange(flight->waiters, {})) {
        lookup->told.push_back(flight);
        if (--lookup->waiting_for == 0)
            run(lookup);
    }
}

// MUST: a record that is there and cannot be read must not be taken for absent because it once was.
void Lookups::Impl::forget_miss(const Key &key)
{
    Cache_hit hit;
    if (cache.find(key.kind, key.name, monotonic_ms(), &hit) && hit.outcome == Outcome::missing)
        cache.drop(key.kind, key.name);
}

// Fetches ahead of expiry; nobody waits for it.
void Lookups::Impl::refresh(const std::vector<Key> &keys)
{
    Flights to_fetch;
    for (const Key &key : keys) {
        if (flights.size() >= max_pending || flights.contains(key))
            continue;
        auto flight = std::make_shared<Flight>();
        flight->key = key;
        to_fetch.push_back(*flights.insert(std::move(flight)).first);
    }
    if (!to_fetch.empty())
        fetch(std::move(to_fetch), monotonic_ms() + settings.lookup_timeout);
}

void Lookups::Impl::finish(const Lookup_ref &lookup, const Lookup_result &result)
{
    pending--;
    Callback callback = std::move(lookup->callback);
    callback(result);
}

void Lookups::Impl::finish_unavailable(const Lookup_ref &lookup, std::string why)
{
    Lookup_result result;
    result.resolution.state = Resolution::State::decided;
    result.resolution.outcome = Outcome::unavailable;
    result.resolution.why = std::move(why);
    finish(lookup, result);
}

Lookups::Lookups(const Settings &settings, const Credentials &credentials, Loop &loop,
                 std::unique_ptr<Store> stores)
    : impl_(std::make_unique<Impl>(settings, credentials, loop, std::move(stores)))
{
}

Lookups::~Lookups() = default;

bool Lookups::from_cache(const Login &login, Lookup_result *result_r)
{
    return impl_->from_cache(login, result_r);
}

void Lookups::start(const Login &login, Callback callback)
{
    impl_->start(login, impl_->needed_for(login), std::move(callback));
}

void Lookups::start(const Login &login, const std::vector<Key> &needed, Callback callback)
{
    impl_->start(login, needed, std::move(callback));
}

Cache_stats Lookups::cache_stats() const
{
    return impl_->cache.stats();
}

} // namespace proxymap
