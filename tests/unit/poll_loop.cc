// One round of a Poll_loop calls what was due when the round began, so nothing is called from
// within when_readable() or after().
#include "poll_loop.h"

#include <algorithm>
#include <poll.h>
#include <utility>
#include <vector>

using proxymap::Loop;
using proxymap::monotonic_ms;

struct Poll_loop::State {
    struct Entry {
        int fd;             // -1: a timer
        std::uint64_t when; // of a timer
        Callback callback;
    };
    std::map<std::uint64_t, Entry> entries;
    std::uint64_t last_id = 0;
};

namespace {

class Ends_at_destruction final : public Loop::Watch {
  public:
    explicit Ends_at_destruction(std::function<void()> end) : end_(std::move(end)) {}
    ~Ends_at_destruction() override { end_(); }
    Ends_at_destruction(const Ends_at_destruction &) = delete;
    Ends_at_destruction &operator=(const Ends_at_destruction &) = delete;

  private:
    std::function<void()> end_;
};

} // namespace

Poll_loop::Poll_loop() : state_(std::make_shared<State>()) {}

Poll_loop::~Poll_loop() = default;

std::unique_ptr<Loop::Watch> Poll_loop::when_readable(int fd, Callback callback)
{
    const auto id = ++state_->last_id;
    state_->entries.emplace(id, State::Entry{fd, 0, std::move(callback)});
    return std::make_unique<Ends_at_destruction>(
        [state = state_, id] { state->entries.erase(id); });
}

std::unique_ptr<Loop::Watch> Poll_loop::after(std::uint32_t msecs, Callback callback)
{
    const auto id = ++state_->last_id;
    state_->entries.emplace(id, State::Entry{-1, monotonic_ms() + msecs, std::move(callback)});
    return std::make_unique<Ends_at_destruction>(
        [state = state_, id] { state->entries.erase(id); });
}

void Poll_loop::turn(int max_msecs)
{
    std::vector<pollfd> fds;
    std::vector<std::uint64_t> fd_ids;
    auto now = monotonic_ms();
    auto until = now + static_cast<std::uint64_t>(max_msecs);
    for (const auto &[id, entry] : state_->entries) {
        if (entry.fd >= 0) {
            fds.push_back({entry.fd, POLLIN, 0});
            fd_ids.push_back(id);
        } else {
            until = std::min(until, std::max(entry.when, now));
        }
    }
    poll(fds.data(), fds.size(), static_cast<int>(until - now));

    now = monotonic_ms();
    std::vector<std::uint64_t> due;
    for (std::size_t i = 0; i < fds.size(); i++) {
        if (fds[i].revents != 0) {
            due.push_back(fd_ids[i]);
        }
    }
    for (const auto &[id, entry] : state_->entries) {
        if (entry.fd < 0 && entry.when <= now) {
            due.push_back(id);
        }
    }
    const auto state = state_; // a callback may destroy the loop
    for (const auto id : due) {
        const auto found = state->entries.find(id);
        if (found == state->entries.end()) {
            continue; // ended by an earlier callback
        }
        const bool once = found->second.fd < 0;
        const auto callback = found->second.callback; // it may end its own watch
        if (once) {
            state->entries.erase(found);
        }
        callback();
    }
}

bool Poll_loop::run_until(const std::function<bool()> &condition)
{
    constexpr std::uint64_t never_msecs = 10'000;
    const auto give_up = monotonic_ms() + never_msecs;
    while (!condition()) {
        if (monotonic_ms() >= give_up) {
            return false;
        }
        turn(5);
    }
    return true;
}
