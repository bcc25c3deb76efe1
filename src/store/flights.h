// Flights: keys on their way to the stores and back.
//
// One flight a key: a hundred logins that wait for one record cost one request. And one request a
// turn of the loop: what was launched meanwhile is asked for together.
//
// One thread only; see Loop.
#pragma once

#include "../core/cache_hash.h"
#include "../core/cache_index.h"
#include "../core/journal.h"
#include "loop.h"
#include "spares.h"
#include "store.h"

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

namespace proxymap {

struct Lookup; // who waits; it means nothing here

// One key on its way. When it has landed, its waiters hold it as long as they need its record,
// which so outlives its cache entry.
struct Flight {
    Key key;
    Answer answer;
    // For whoever is told of it: as in Known, and which map it is of.
    std::uint64_t content = 0;
    std::uint64_t generation = 0;
    std::vector<Lookup *> waiters; // none: a refresh
    std::uint64_t deadline = 0;    // monotonic_ms()
    std::size_t holders = 0;
    std::uint64_t group = 0;  // that it was last asked for with; 0: it was not yet
    Position not_before = {}; // its record changed then, while it was asked for
    unsigned asked_again = 0; // times
    Flight *next = nullptr;   // belongs to the index
    std::uint32_t hash = 0;
};

class Flights {
  public:
    // Tells of a flight that has its answer, from the loop and never from within launch(). Each of
    // its waiters holds it then.
    using Landed = std::function<void(Flight &, std::uint64_t now)>;

    // loop must outlive it.
    Flights(Loop &loop, std::unique_ptr<Store> stores, Landed landed);
    ~Flights();
    Flights(const Flights &) = delete;
    Flights &operator=(const Flights &) = delete;

    // Everything lands, and nothing may be launched any more.
    void close();

    // These records changed, as of that position: whoever was asked before may answer with what
    // they were. Such answers are not used, but asked for again.
    void changed(const Journal_entry &changes, const Position &to);

    // Keys under way.
    std::size_t count() const { return index_.count(); }
    // The one under way for this key, or a new one. Who waits for it adds himself.
    Flight &launch(const Key &key, std::uint64_t deadline);
    // One that never takes off, for that reason: held by its caller.
    Flight &cancelled(const Key &key, std::string why);
    // One holder less. The last one's flight is gone.
    void let_go(Flight &flight);

  private:
    struct Nodes {
        using Link = Flight *;
        static constexpr Link nil = nullptr;
        Link &next(Link flight) const { return flight->next; }
        std::uint32_t hash(Link flight) const { return flight->hash; }
    };
    using Group = std::vector<Flight *>;

    std::uint32_t hash_of(const Key &key) const;
    Flight *find(const Key &key, std::uint32_t hash) const;
    void ask_in_this_turn(Flight &flight);
    bool overtaken(const Flight &flight, const Answer &answer) const;
    std::unique_ptr<Flight> spare(const Key &key);
    void ask();
    void ask_for(std::span<Flight *const> group);
    void answered(std::uint64_t id, std::vector<Answer> answers);
    void land(Flight &flight, Answer answer, std::uint64_t now);

    const Hash_key hash_key_ = random_hash_key();
    Loop &loop_;
    const Landed landed_;
    Spares<Flight> spares_;
    Linear_index<Nodes> index_; // all under way
    Group waiting_;             // for the loop's next turn
    std::unique_ptr<Loop::Watch> turn_;
    // What was asked for together, by number: a store that answers what it was not asked for, or
    // twice, must not get hold of somebody else's flight.
    std::unordered_map<std::uint64_t, Group> groups_;
    std::uint64_t last_group_ = 0;
    // All records may have changed, as of that position; asked for until that group.
    Position reset_;
    std::uint64_t reset_group_ = 0;
    std::unique_ptr<Store> stores_; // last: dies first, and answers all its callbacks
};

} // namespace proxymap
