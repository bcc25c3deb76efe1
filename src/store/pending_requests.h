// Requests that wait for their answers, and the one timer that ends the waiting.
//
// One timer for the nearest deadline, not one a request. It is left alone when requests are
// answered early: most have the same distance to their deadline, so it comes once in such a
// distance, however many requests there are.
#pragma once

#include "loop.h"
#include "store.h"

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace proxymap {

class Pending_requests {
  public:
    struct Request {
        std::vector<Key> keys;      // unless they are elsewhere meanwhile
        std::uint64_t asked = 0;    // monotonic_ms()
        std::uint64_t deadline = 0; // monotonic_ms()
        std::string refusal;        // why it was given up before its deadline; empty: it was not
        Answers_callback callback;
        std::size_t key_count = 0; // of keys that are elsewhere
    };
    // Gets, from the loop, what is no longer waited for; must see to the callbacks. May destroy
    // the Pending_requests.
    using Expired = std::function<void(std::vector<Request>)>;

    // loop must outlive it.
    Pending_requests(Loop &loop, Expired expired);

    // The id is never 0.
    std::uint64_t add(Request request);
    // Nothing: expired, or taken before.
    std::optional<Request> take(std::uint64_t id);
    // In the order of asking.
    std::vector<Request> take_all();
    // All that now wait expire in the next round of the loop, for this reason.
    void give_up(const std::string &why);

  private:
    using Deadline = std::pair<std::uint64_t, std::uint64_t>; // with the id

    void push_deadline(const Deadline &deadline);
    void pop_deadline();
    void collect_deadlines();
    void set_timer(std::uint64_t when);
    void timer_came();

    Loop &loop_;
    Expired expired_;
    std::map<std::uint64_t, Request> requests_; // by id: in the order of asking
    // A heap, the nearest first. What is taken stays in it until its time, for it costs less there
    // than to be looked for; but never more of such than of what waits.
    std::vector<Deadline> deadlines_;
    std::uint64_t last_id_ = 0;
    std::uint64_t timer_at_ = 0; // of timer_
    std::unique_ptr<Loop::Watch> timer_;
};

} // namespace proxymap
