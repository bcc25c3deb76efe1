// A store: a place that holds records. Three outcomes, never one taken for another:
//   found        a whole, checked record of just this kind and name
//   missing      proven: this store holds the whole map, is current, and has no such record
//   unavailable  everything else: timeout, down, unreadable, bad seal, a miss that proves nothing
#pragma once

#include "../core/record.h"
#include "../core/route.h"

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace proxymap {

// Tells keys apart, nearly always.
std::size_t key_tag(const Key &key);

struct Answer {
    Outcome outcome = Outcome::unavailable;
    Record_ref record = {}; // found; its name and position may be empty: it is of the key asked for
    // One sentence that names the store. Also of a store that could not answer before this one did.
    std::string why = {};
    std::string_view store = {}; // who said so, of kept_name(): "memcached:127.0.0.1:11211", "lmdb"
    // unavailable: the record is there, but cannot be used. No remembered miss may overrule that.
    bool present = false;
    Position position = {}; // found: where it was written
    // found, and the record has no name: the tag of the key that it was read for. Whoever takes the
    // answer sees by it that it is not another key's.
    std::size_t tag = 0;
    // found, missing: the position of the map for which that holds; unknown: nobody can say.
    Position as_of = {};
    // unavailable: only because the map moved on while the store was asked. Worth asking again.
    bool overtaken = false;
};

// The name of a store, kept for as long as the process runs: answers outlive their stores. There
// are as many as the settings name.
std::string_view kept_name(const std::string &name);

// Called exactly once, from the loop, never from within get(); one answer a key, in order.
using Answers_callback = std::function<void(std::vector<Answer>)>;
using Poll_callback = std::function<void()>;

class Store {
  public:
    virtual ~Store() = default; // answers all that is pending, as unavailable
    virtual const std::string &name() const = 0;
    // Asks the store where it stands, and tells Map_news. done, if there is one: called once, when
    // that is known or cannot be had now; also from within poll().
    virtual void poll(Poll_callback done)
    {
        if (done)
            done();
    }
    // Never blocks. deadline: monotonic_ms() by which the callback comes (but for the loop's own
    // delay).
    virtual void get(std::vector<Key> keys, std::uint64_t deadline, Answers_callback callback) = 0;
};

} // namespace proxymap
