// Flights: keys on their way to the stores and back.
//
// One flight a key: a hundred logins that wait for one record cost one request. And one request a
// turn of the loop: what was launched meanwhile is asked for together.
//
// One thread only; see Loop.
#pragma once

#include "../core/cache_hash.h"
#include "../core/cache_index.h"
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
    std::uint64_t content = 0;     // as in Known; for whoever is told of it
    std::vector<Lookup *> waiters; // none: a refresh
    std::uint64_t deadline = 0;    // monotonic_ms()
    std::size_t holders = 0;
    Flight *next = nullptr; // belongs to the index
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
    std::unique_ptr<Store> stores_; // last: dies first, and answers all its callbacks
};

} // namespace proxymap
