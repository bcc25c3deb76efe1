// MUST hand each request out exactly once.
#include "pending_requests.h"

#include <algorithm>

namespace proxymap {

namespace {

// So many deadlines are kept without a thought.
constexpr std::size_t few = 64;

} // namespace

Pending_requests::Pending_requests(Loop &loop, Expired expired)
    : loop_(loop), expired_(std::move(expired))
{
}

std::uint64_t Pending_requests::add(Request request)
{
    const auto id = ++last_id_;
    const auto deadline = request.deadline;
    push_deadline({deadline, id}); // first: without a request it does no harm
    requests_.emplace_hint(requests_.end(), id, std::move(request));
    if (deadlines_.size() > 2 * requests_.size() + few) {
        collect_deadlines();
    }
    set_timer(deadline);
    return id;
}

std::optional<Pending_requests::Request> Pending_requests::take(std::uint64_t id)
{
    const auto found = requests_.find(id);
    if (found == requests_.end()) {
        return std::nullopt;
    }
    std::optional<Request> request(std::move(found->second));
    requests_.erase(found);
    return request;
}

std::vector<Pending_requests::Request> Pending_requests::take_all()
{
    std::vector<Request> all;
    all.reserve(requests_.size());
    for (auto &[id, request] : requests_) {
        all.push_back(std::move(request));
    }
    requests_.clear();
    deadlines_.clear();
    return all;
}

void Pending_requests::give_up(const std::string &why)
{
    const auto now = monotonic_ms();
    for (auto &[id, request] : requests_) {
        if (request.refusal.empty()) {
            request.refusal = why;
            request.deadline = now;
        }
    }
    collect_deadlines();
    if (!deadlines_.empty()) {
        set_timer(deadlines_.front().first);
    }
}

void Pending_requests::push_deadline(const Deadline &deadline)
{
    deadlines_.push_back(deadline);
    std::push_heap(deadlines_.begin(), deadlines_.end(), std::greater<>());
}

void Pending_requests::pop_deadline()
{
    std::pop_heap(deadlines_.begin(), deadlines_.end(), std::greater<>());
    deadlines_.pop_back();
}

// Of those that wait, and of no others.
void Pending_requests::collect_deadlines()
{
    deadlines_.clear();
    for (const auto &[id, request] : requests_) {
        deadlines_.emplace_back(request.deadline, id);
    }
    std::make_heap(deadlines_.begin(), deadlines_.end(), std::greater<>());
}

void Pending_requests::set_timer(std::uint64_t when)
{
    if (timer_ && timer_at_ <= when) {
        return;
    }
    const auto now = monotonic_ms();
    timer_at_ = when;
    timer_ = loop_.after(when > now ? static_cast<std::uint32_t>(when - now) : 0,
                         [this] { timer_came(); });
}

void Pending_requests::timer_came()
{
    timer_.reset();
    const auto now = monotonic_ms();
    std::vector<Request> expired;
    while (!deadlines_.empty()) {
        const auto [deadline, id] = deadlines_.front();
        if (requests_.contains(id)) {
            if (deadline > now) {
                set_timer(deadline);
                break;
            }
            expired.push_back(std::move(*take(id)));
        }
        pop_deadline();
    }
    if (!expired.empty()) {
        const auto tell = expired_; // it may destroy this object
        tell(std::move(expired));
    }
}

} // namespace proxymap
