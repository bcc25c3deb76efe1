// MUST give each flight the answer to its own key, exactly once: a flight that never landed would
// keep all later logins of its user waiting.
#include "flights.h"

#include <algorithm>
#include <exception>
#include <utility>

namespace proxymap {

namespace {

// What is asked for together has one deadline, the earliest; so nobody's is cut by more than this.
constexpr std::uint64_t deadline_grain_ms = 2;
// Fits into one multi-get of a mirror, however long the names are; a mirror puts several together.
constexpr std::size_t max_group = 32;
// The map changed while it was asked for: more than twice in one login is an odd map.
constexpr unsigned max_asked_again = 2;
// Only sizes a list of pages.
constexpr std::size_t usual_count = 20'000;

// Backstop: stores check it too. Another's record is the one thing that must never be used.
bool is_anothers(const Answer &answer, const Key &key)
{
    if (answer.outcome != Outcome::found || answer.record == nullptr)
        return false;
    const Record &record = *answer.record;
    return record.kind != key.kind ||
           (record.name.empty() ? answer.tag != key_tag(key) : record.name != key.name);
}

Answer overtaken_again(const Answer &answer)
{
    return {.why = std::string(answer.store) + ": the map changed each time that it was asked",
            .store = answer.store,
            .present = true};
}

Answer mixed_up(const Answer &answer)
{
    return {Outcome::unavailable, nullptr,
            std::string(answer.store) + ": answers with another key's record", answer.store, true};
}

} // namespace

Flights::Flights(Loop &loop, std::unique_ptr<Store> stores, Landed landed)
    : loop_(loop), landed_(std::move(landed)), index_(Nodes{}, usual_count),
      stores_(std::move(stores))
{
}

Flights::~Flights()
{
    close();
}

void Flights::close()
{
    turn_.reset();
    stores_.reset();
    Answer ended;
    ended.why = "shutting down";
    for (Flight *flight : std::exchange(waiting_, {}))
        land(*flight, ended, monotonic_ms());
}

std::uint32_t Flights::hash_of(const Key &key) const
{
    return static_cast<std::uint32_t>(sip_hash<1, 3>(
        {hash_key_.low + static_cast<std::uint64_t>(key.kind), hash_key_.high}, key.name));
}

std::unique_ptr<Flight> Flights::spare(const Key &key)
{
    auto flight = spares_.take();
    flight->key = key;
    flight->answer = {};
    flight->content = 0;
    flight->waiters.clear();
    flight->holders = 0;
    flight->group = 0;
    flight->not_before = {};
    flight->asked_again = 0;
    return flight;
}

Flight &Flights::launch(const Key &key, std::uint64_t deadline)
{
    const auto hash = hash_of(key);
    if (Flight *known = find(key, hash))
        return *known;
    auto flight = spare(key);
    flight->deadline = deadline;
    flight->hash = hash;
    ask_in_this_turn(*flight);
    try {
        index_.insert(flight.get());
    } catch (...) {
        waiting_.pop_back();
        throw;
    }
    return *flight.release(); // land() and let_go() have it now
}

Flight *Flights::find(const Key &key, std::uint32_t hash) const
{
    for (Flight *known = index_.first(hash); known != nullptr; known = known->next) {
        if (known->hash == hash && known->key == key)
            return known;
    }
    return nullptr;
}

void Flights::ask_in_this_turn(Flight &flight)
{
    if (turn_ == nullptr)
        turn_ = loop_.after(0, [this] { ask(); });
    waiting_.push_back(&flight);
}

void Flights::changed(const Journal_entry &changes, const Position &to)
{
    if (changes.reset) {
        reset_ = to;
        reset_group_ = last_group_;
        return;
    }
    for (const Key &key : changes.keys) {
        if (Flight *flight = find(key, hash_of(key)))
            flight->not_before = to;
    }
}

// Whether the answer is of before a change that came while it was under way.
bool Flights::overtaken(const Flight &flight, const Answer &answer) const
{
    if (answer.outcome == Outcome::unavailable)
        return answer.overtaken;
    const auto is_before = [&answer](const Position &changed) {
        return changed.known() && (!answer.as_of.known() || answer.as_of.older_than(changed));
    };
    return is_before(flight.not_before) || (flight.group <= reset_group_ && is_before(reset_));
}

Flight &Flights::cancelled(const Key &key, std::string why)
{
    auto flight = spare(key);
    flight->answer.why = std::move(why);
    flight->holders = 1;
    return *flight.release(); // let_go() has it now
}

void Flights::let_go(Flight &flight)
{
    if (--flight.holders > 0)
        return;
    flight.answer.record.reset();
    spares_.give_back(std::unique_ptr<Flight>(&flight));
}

// The turn is over: asks for all that was launched in it, in few requests.
void Flights::ask()
{
    turn_.reset();
    Group waiting = std::exchange(waiting_, {});
    std::stable_sort(waiting.begin(), waiting.end(),
                     [](const auto *a, const auto *b) { return a->deadline < b->deadline; });
    for (auto first = waiting.begin(); first != waiting.end();) {
        auto last = first;
        while (last != waiting.end() && last - first < static_cast<std::ptrdiff_t>(max_group) &&
               (*last)->deadline - (*first)->deadline <= deadline_grain_ms)
            ++last;
        ask_for({first, last});
        first = last;
    }
}

// The earliest deadline first.
void Flights::ask_for(std::span<Flight *const> group)
{
    const auto id = ++last_group_;
    bool asked = false;
    try {
        std::vector<Key> keys;
        keys.reserve(group.size());
        for (const Flight *flight : group)
            keys.push_back(flight->key);
        for (Flight *flight : group)
            flight->group = id;
        groups_.emplace(id, Group(group.begin(), group.end()));
        asked = true;
        stores_->get(std::move(keys), group.front()->deadline,
                     [this, id](std::vector<Answer> answers) { answered(id, std::move(answers)); });
    } catch (const std::exception &error) { // out of memory, or of threads
        if (groups_.erase(id) == 0 && asked)
            return; // it has answered all the same
        Answer answer;
        answer.why = error.what();
        for (Flight *flight : group)
            land(*flight, answer, monotonic_ms());
    }
}

void Flights::answered(std::uint64_t id, std::vector<Answer> answers)
{
    const auto group = groups_.extract(id);
    if (!group) // a store that threw, and then answered all the same
        return;
    const auto now = monotonic_ms();
    answers.resize(group.mapped().size());
    for (std::size_t i = 0; i < answers.size(); i++)
        land(*group.mapped()[i], std::move(answers[i]), now);
}

void Flights::land(Flight &flight, Answer answer, std::uint64_t now)
{
    if (overtaken(flight, answer)) {
        if (stores_ && flight.asked_again < max_asked_again && now < flight.deadline) {
            flight.asked_again++;
            flight.not_before = {};
            ask_in_this_turn(flight);
            return;
        }
        if (answer.outcome != Outcome::unavailable)
            answer = overtaken_again(answer);
    }
    index_.erase(&flight);
    flight.answer = is_anothers(answer, flight.key) ? mixed_up(answer) : std::move(answer);
    flight.holders = flight.waiters.size() + 1; // this function is the one
    landed_(flight, now);
    let_go(flight);
}

} // namespace proxymap
