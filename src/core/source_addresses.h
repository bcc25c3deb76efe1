// The addresses that a source pool has now: those that are written out, and those that its names
// mean today. Look-ups, the clock and the question whether an address is assigned here come from
// outside.
//
// Never waits for anything, and never holds an address that no connection can come from
// (why_no_source()).
#pragma once

#include "log_limiter.h"
#include "resolver.h"
#include "result.h"
#include "source_pool.h"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace proxymap {

class Source_addresses {
  public:
    // What is more is left out, with a warning.
    static constexpr std::size_t max_addresses = 2048;

    struct Surroundings {
        Resolver *resolver = nullptr;                  // outlives the pool; null: no name works
        std::function<bool(const Ip &)> is_assigned;   // to this host: an Assigned_here
        std::function<std::uint64_t()> now;            // CLOCK_MONOTONIC, ms
        std::function<void(const std::string &)> warn; // a line for the log
    };

    // The pool, of Settings, outlives this.
    Source_addresses(const Source_pool &pool, Surroundings surroundings);
    ~Source_addresses();
    Source_addresses(const Source_addresses &) = delete;
    Source_addresses &operator=(const Source_addresses &) = delete;

    const Source_pool &pool() const { return pool_; }

    // To be called before each choice. Begins the look-ups that are due (a pool that nobody uses
    // looks nothing up), asks again which addresses are assigned here, ends what avoid() began.
    // Costs one look at the clock when nothing is due. Returns that clock.
    std::uint64_t update();

    // After update(): whether every name has been looked up, with or without success, at most two
    // `refresh` ago. Else the addresses below are incomplete, or out of date.
    bool ready() const;

    // Calls back once, from within the resolver's callback, as soon as ready() comes true;
    // destroying it ends the wait. Only while !ready(). At most four names are looked up at a time,
    // so it takes as long as the resolver's time limit for each four of them.
    class Wait {
      public:
        virtual ~Wait() = default;
    };
    std::unique_ptr<Wait> wait(std::function<void()> callback);

    // The addresses now, each once, in the order of the pool; `used` is 0. They change only in
    // update(), avoid() and callbacks of the resolver, and changes() (at least 1 after the first
    // update()) with them.
    const std::vector<Source_candidate> &candidates() const { return candidates_; }
    std::uint64_t changes() const { return changes_; }

    // A connection from it could not be bound: it is passed over for avoid_for from now on. reason:
    // for the log.
    void avoid(const Ip &ip, std::string_view reason);

    // For the log: why there is no address of this family, as "source pool "out" has no IPv6
    // address now: ...".
    std::string why_none(bool v6) const;

  private:
    struct Name;
    struct Waiting;
    class Waiting_handle;
    struct Avoided {
        Ip ip;
        std::uint64_t until;
    };
    void begin_lookups();
    void ended(Name &name, const Result<std::vector<Ip>> &result);
    void take_over(Name &name, const std::vector<Ip> &found);
    std::vector<Source_candidate> addresses_now();
    void rebuild();
    void forget_avoided();
    void mark(const Ip &ip, bool avoided);
    void tell_waiting();
    void warn(const std::string &cause, const std::string &line);

    const Source_pool &pool_;
    Surroundings surroundings_;
    Log_limiter limiter_;
    std::vector<std::unique_ptr<Name>> names_; // in the order of the pool's words that are names
    std::vector<Source_candidate> candidates_;
    std::uint64_t changes_ = 0;
    std::vector<Avoided> avoided_;
    std::vector<std::shared_ptr<Waiting>> waiting_;
    std::uint64_t now_ = 0;      // at the last update() or answer
    std::uint64_t next_due_ = 0; // nothing to look up or to ask before that
    bool asks_assigned_;         // some word has a `?`
    std::uint64_t ask_at_ = 0;
};

} // namespace proxymap
