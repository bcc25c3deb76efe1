// MUST hand each request out exactly once.
#include "pending_requests.h"

namespace proxymap {

Pending_requests::Pending_requests(Loop &loop, Expired expired)
    : loop_(loop), expired_(std::move(expired))
{
}

std::uint64_t Pending_requests::add(Request request)
{
    const auto id = ++last_id_;
    deadlines_.emplace(request.deadline, id);
    requests_.emplace(id, std::move(request));
    set_timer();
    return id;
}

std::optional<Pending_requests::Request> Pending_requests::take(std::uint64_t id)
{
    auto node = requests_.extract(id);
    if (node.empty()) {
        return std::nullopt;
    }
    deadlines_.erase({node.mapped().deadline, id});
    return std::move(node.mapped());
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
    deadlines_.clear();
    for (auto &[id, request] : requests_) {
        if (request.refusal.empty()) {
            request.refusal = why;
            request.deadline = now;
        }
        deadlines_.emplace(request.deadline, id);
    }
    set_timer();
}

void Pending_requests::set_timer()
{
    if (deadlines_.empty()) {
        return;
    }
    const auto when = deadlines_.begin()->first;
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
    while (!deadlines_.empty() && deadlines_.begin()->first <= now) {
        if (auto request = take(deadlines_.begin()->second)) {
            expired.push_back(std::move(*request));
        }
    }
    set_timer();
    if (!expired.empty()) {
        const auto tell = expired_; // it may destroy this object
        tell(std::move(expired));
    }
}

} // namespace proxymap
