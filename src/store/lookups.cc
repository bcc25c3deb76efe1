// A lookup runs in rounds. Each round resolves with what is known (cache, then the answers this
// lookup has got so far); what is missing is asked for in one request, and its answers start the
// next round. There are at most three: the names, the backend, its failover.
#include "lookups.h"

#include "../core/route_memo.h"
#include "flights.h"

#include <array>
#include <utility>
#include <vector>

namespace proxymap {

// One login that waits.
struct Lookup {
    std::string user;
    Service service = Service::any;
    std::uint64_t deadline = 0;
    Lookups::Callback callback;
    std::vector<Flight *> told;  // what the stores have said so far; held
    std::size_t waiting_for = 0; // keys in flight
    unsigned rounds = 0;
    unsigned restarts = 0; // since the map changed
};

namespace {

// A login resolves at most this many keys: user, domain, default, backend, failover.
constexpr std::size_t max_keys = 5;
constexpr unsigned max_rounds = 4;
constexpr unsigned max_restarts = 3;
// Beyond this many unanswered lookups a new one is unavailable at once: memory stays bounded.
constexpr std::size_t max_pending = 20'000;

// The cache with the answers of this lookup laid over it.
class Lookup_view final : public View {
  public:
    // told: null for what the cache alone says.
    Lookup_view(Cache &cache, const Map_news &news, std::uint64_t now,
                const std::vector<Flight *> *told)
        : cache_(cache), now_(now), confirmed_(news.confirmed(now)), told_(told)
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
    // Some of it is from before the map changed, some from behind it.
    bool mixed() const { return used_outdated_ && used_current_; }
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
            for (const Flight *told : *told_) {
                if (told->key.kind == slot.kind && told->key.name == slot.name)
                    return fill_told(slot, *told);
            }
        }
        Cache_hit hit;
        if (!cache_.find(slot.kind, slot.name, now_, &hit) || hit.age == Age::stale || !confirmed_)
            return false;
        used_current_ = true;
        if (hit.age == Age::refresh)
            to_refresh_.push_back({slot.kind, std::string(slot.name)});
        slot.known = {hit.outcome, hit.record, false, {}, hit.content};
        return true;
    }

    bool fill_told(Slot &slot, const Flight &told)
    {
        const Answer &answer = told.answer;
        if (!answer.why.empty())
            outage_ = answer.why;
        if (answer.outcome != Outcome::unavailable) {
            slot.known = {answer.outcome, answer.record.get(), false, {}, told.content};
            used_current_ = true;
            return true;
        }
        Cache_hit hit;
        if (cache_.find(slot.kind, slot.name, now_, &hit)) {
            slot.known = {hit.outcome, hit.record, true, {}, hit.content};
            used_stale_ = true;
            (hit.outdated ? used_outdated_ : used_current_) = true;
            return true;
        }
        slot.known = {Outcome::unavailable, nullptr, false, answer.why};
        return true;
    }

    Cache &cache_;
    std::uint64_t now_;
    bool confirmed_;
    const std::vector<Flight *> *told_;
    std::array<Slot, max_keys> slots_;
    std::size_t used_ = 0;
    bool used_stale_ = false;
    bool used_outdated_ = false;
    bool used_current_ = false;
    std::string outage_;
    std::vector<Key> to_refresh_;
};

class Empty_view final : public View {
  public:
    const Known *find(Kind, std::string_view) override { return nullptr; }
};

Resolution unavailable(std::string why)
{
    Resolution resolution;
    resolution.state = Resolution::State::decided;
    resolution.outcome = Outcome::unavailable;
    resolution.why = std::move(why);
    return resolution;
}

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
    Map_news &news;
    Cache cache;
    std::uint64_t generation = 1; // of the map
    Route_memo routes;
    Spares<Lookup> spares;
    std::size_t pending = 0;
    bool closing = false;
    std::unique_ptr<Loop::Watch> soon;
    std::vector<Lookup *> answer_soon;
    Flights flights;

    Impl(const Settings &settings_, const Credentials &credentials_, Loop &loop_,
         std::unique_ptr<Store> stores, Map_news &news_)
        : settings(settings_), credentials(credentials_), loop(loop_), news(news_),
          cache({settings_.cache_size, settings_.cache_ttl, settings_.cache_negative_ttl,
                 settings_.cache_stale_ttl}),
          flights(loop_, std::move(stores),
                  [this](Flight &flight, std::uint64_t now) { landed(flight, now); })
    {
        news.listen([this](const auto &changes, const Position &to) { changed(changes, to); });
    }

    ~Impl()
    {
        news.listen({});
        closing = true;
        flights.close();
        for (Lookup *lookup : std::exchange(answer_soon, {}))
            finish_unavailable(*lookup, "shutting down");
    }
    Impl(const Impl &) = delete;
    Impl &operator=(const Impl &) = delete;

    void changed(const Journal_entry &changes, const Position &to);
    bool from_cache(const Login &login, Lookup_result *result_r);
    std::vector<Key> needed_for(const Login &login);
    void start(const Login &login, const std::vector<Key> &needed, Callback callback);
    void answer_waiting();
    bool forget_old_map(Lookup &lookup);
    void run(Lookup &lookup, std::uint64_t now);
    void ask(Lookup &lookup, const std::vector<Key> &keys);
    void landed(Flight &flight, std::uint64_t now);
    void forget_miss(const Key &key, std::uint64_t now);
    void refresh(const std::vector<Key> &keys, std::uint64_t now);
    void finish(Lookup &lookup, const Lookup_result &result);
    void finish_unavailable(Lookup &lookup, std::string why);
};

// The map has changed: nothing that was read before is used beside what will be read from now on.
// What is named is gone, for an outage too; what is not named is only asked for again.
void Lookups::Impl::changed(const Journal_entry &changes, const Position &to)
{
    generation++;
    if (changes.reset)
        cache.revalidate(monotonic_ms());
    for (const Key &key : changes.keys)
        cache.drop(key.kind, key.name);
    flights.changed(changes, to);
}

bool Lookups::Impl::from_cache(const Login &login, Lookup_result *result_r)
{
    const auto now = monotonic_ms();
    Lookup_view view(cache, news, now, nullptr);
    resolve(login, view, settings, credentials, &routes, &result_r->resolution);
    if (result_r->resolution.state != Resolution::State::decided)
        return false;
    result_r->cache = Cache_use::hit;
    if (!view.to_refresh().empty())
        refresh(view.to_refresh(), now);
    return true;
}

std::vector<Key> Lookups::Impl::needed_for(const Login &login)
{
    Lookup_view view(cache, news, monotonic_ms(), nullptr);
    return resolve(login, view, settings, credentials).needed;
}

void Lookups::Impl::start(const Login &login, const std::vector<Key> &needed, Callback callback)
{
    auto spare = spares.take();
    spare->user = login.user;
    spare->service = login.service;
    spare->deadline = monotonic_ms() + settings.lookup_timeout;
    spare->callback = std::move(callback);
    spare->told.clear();
    spare->waiting_for = 0;
    spare->rounds = 0;
    spare->restarts = 0;
    pending++;
    Lookup &lookup = *spare.release(); // finish() has it now

    if (pending <= max_pending && !needed.empty()) {
        ask(lookup, needed);
        return;
    }
    // Decided by the cache after all, or too many: answered from the loop, as promised.
    answer_soon.push_back(&lookup);
    if (soon == nullptr)
        soon = loop.after(0, [this] { answer_waiting(); });
}

void Lookups::Impl::answer_waiting()
{
    soon.reset();
    for (Lookup *lookup : std::exchange(answer_soon, {})) {
        if (pending > max_pending)
            finish_unavailable(*lookup, "too many lookups are waiting for an answer");
        else
            run(*lookup, monotonic_ms());
    }
}

// What this lookup was told of an older map. False: that happened too often.
bool Lookups::Impl::forget_old_map(Lookup &lookup)
{
    const auto old = [this](Flight *flight) {
        if (flight->generation == generation)
            return false;
        flights.let_go(*flight);
        return true;
    };
    if (std::erase_if(lookup.told, old) == 0)
        return true;
    lookup.rounds = 0;
    return ++lookup.restarts <= max_restarts;
}

// The next round: decided, or asks for more.
void Lookups::Impl::run(Lookup &lookup, std::uint64_t now)
{
    if (!forget_old_map(lookup))
        return finish_unavailable(lookup, "the map changed each time that it was asked");
    Lookup_result result;
    {
        Lookup_view view(cache, news, now, &lookup.told);
        resolve({lookup.user, lookup.service}, view, settings, credentials, &routes,
                &result.resolution);
        result.cache = view.used_stale() ? Cache_use::stale : Cache_use::miss;
        result.outage = view.outage();
        if (view.mixed() && result.resolution.state == Resolution::State::decided) {
            result.resolution = unavailable("what is remembered is of an older map than what the "
                                            "stores say, and they do not say all");
        }
    }
    const std::vector<Key> &needed = result.resolution.needed;
    if (result.resolution.state == Resolution::State::decided) {
        if (result.resolution.outcome == Outcome::found)
            result.resolution.stale = result.cache == Cache_use::stale;
        if (!lookup.told.empty())
            result.store = lookup.told.back()->answer.store;
        finish(lookup, result);
    } else if (closing) {
        finish_unavailable(lookup, "shutting down");
    } else if (lookup.rounds >= max_rounds) {
        finish_unavailable(lookup, "the route needs more records than a route can have");
    } else if (monotonic_ms() >= lookup.deadline) {
        // The names were answered in time, the backend is not known any more: fall back on what
        // the cache remembers of it.
        for (const Key &key : needed) {
            auto &flight =
                flights.cancelled(key, "no time was left to look up " +
                                           std::string(to_string(key.kind)) + " " + key.name);
            flight.generation = generation;
            lookup.told.push_back(&flight);
        }
        lookup.rounds++;
        run(lookup, now);
    } else {
        ask(lookup, needed);
    }
}

void Lookups::Impl::ask(Lookup &lookup, const std::vector<Key> &keys)
{
    lookup.rounds++;
    for (const Key &key : keys) {
        flights.launch(key, lookup.deadline).waiters.push_back(&lookup);
        lookup.waiting_for++;
    }
}

void Lookups::Impl::landed(Flight &flight, std::uint64_t now)
{
    const Key &key = flight.key;
    flight.generation = generation;
    if (flight.answer.outcome == Outcome::found)
        flight.content = cache.put_found(key.kind, key.name, flight.answer.record, now);
    else if (flight.answer.outcome == Outcome::missing)
        cache.put_missing(key.kind, key.name, now);
    else if (flight.answer.present)
        forget_miss(key, now);

    for (Lookup *lookup : flight.waiters) {
        lookup->told.push_back(&flight);
        if (--lookup->waiting_for == 0)
            run(*lookup, now);
    }
}

// MUST: a record that is there and cannot be read must not be taken for absent because it once was.
void Lookups::Impl::forget_miss(const Key &key, std::uint64_t now)
{
    Cache_hit hit;
    if (cache.find(key.kind, key.name, now, &hit) && hit.outcome == Outcome::missing)
        cache.drop(key.kind, key.name);
}

// Fetches ahead of expiry; nobody waits for it.
void Lookups::Impl::refresh(const std::vector<Key> &keys, std::uint64_t now)
{
    for (const Key &key : keys) {
        if (flights.count() < max_pending)
            flights.launch(key, now + settings.lookup_timeout);
    }
}

void Lookups::Impl::finish(Lookup &lookup, const Lookup_result &result)
{
    pending--;
    for (Flight *flight : lookup.told)
        flights.let_go(*flight);
    const Callback callback = std::exchange(lookup.callback, nullptr);
    spares.give_back(std::unique_ptr<Lookup>(&lookup));
    callback(result);
}

void Lookups::Impl::finish_unavailable(Lookup &lookup, std::string why)
{
    Lookup_result result;
    result.resolution = unavailable(std::move(why));
    finish(lookup, result);
}

Lookups::Lookups(const Settings &settings, const Credentials &credentials, Loop &loop,
                 std::unique_ptr<Store> stores, Map_news &news)
    : impl_(std::make_unique<Impl>(settings, credentials, loop, std::move(stores), news))
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

void Lookups::start_anew(const Login &login, Callback callback)
{
    Empty_view nothing;
    const Resolution resolution = resolve(login, nothing, impl_->settings, impl_->credentials);
    impl_->start(login, resolution.needed, std::move(callback));
}

Cache_stats Lookups::cache_stats() const
{
    return impl_->cache.stats();
}

} // namespace proxymap
