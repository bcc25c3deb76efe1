// See polled_stores.h. MUST hand on each request exactly once.
#include "polled_stores.h"

#include "map_news.h"

#include <utility>
#include <vector>

namespace proxymap {

namespace {

class Polled_stores final : public Store {
  public:
    Polled_stores(std::unique_ptr<Store> stores, Loop &loop, Polling polling,
                  bool whole_round_first)
        : loop_(loop), polling_(polling), waits_(whole_round_first), stores_(std::move(stores))
    {
        if (polling == Polling::at_once)
            timer_ = loop_.after(0, [this] { start(); });
    }
    ~Polled_stores() override;
    Polled_stores(const Polled_stores &) = delete;
    Polled_stores &operator=(const Polled_stores &) = delete;

    const std::string &name() const override { return stores_->name(); }
    void poll(Poll_callback done) override { stores_->poll(std::move(done)); }
    void get(std::vector<Key> keys, std::uint64_t deadline, Answers_callback callback) override;

  private:
    struct Request {
        std::vector<Key> keys;
        std::uint64_t deadline = 0;
        Answers_callback callback;
    };

    void start();
    void tick();
    void wait_until(std::uint64_t deadline);
    void round_is_over();

    Loop &loop_;
    const Polling polling_;
    bool started_ = false;
    bool waits_; // for the first round to end
    std::vector<Request> waiting_;
    std::uint64_t patient_until_ = UINT64_MAX;
    std::unique_ptr<Loop::Watch> patience_;
    std::unique_ptr<Loop::Watch> timer_;
    std::unique_ptr<Store> stores_; // last: dies first
};

Polled_stores::~Polled_stores()
{
    timer_.reset();
    patience_.reset();
    waits_ = false;
    for (auto &request : std::exchange(waiting_, {})) {
        const Answer ended{.why = "the lookup was ended"};
        request.callback(std::vector<Answer>(request.keys.size(), ended));
    }
}

void Polled_stores::get(std::vector<Key> keys, std::uint64_t deadline, Answers_callback callback)
{
    if (!started_)
        start();
    if (!waits_)
        return stores_->get(std::move(keys), deadline, std::move(callback));
    wait_until(deadline);
    waiting_.push_back({std::move(keys), deadline, std::move(callback)});
}

void Polled_stores::start()
{
    started_ = true;
    timer_ = loop_.after(poll_interval_ms, [this] { tick(); });
    if (waits_)
        stores_->poll([this] { round_is_over(); });
    else if (polling_ == Polling::at_once)
        stores_->poll({});
}

// A lookup that must be answered by then waits for the round, but leaves time to ask.
void Polled_stores::wait_until(std::uint64_t deadline)
{
    const auto now = monotonic_ms();
    const auto left = deadline > now ? deadline - now : 0;
    if (patient_until_ <= now + left / 2)
        return;
    patient_until_ = now + left / 2;
    patience_ = loop_.after(static_cast<std::uint32_t>(left / 2), [this] { round_is_over(); });
}

void Polled_stores::tick()
{
    timer_ = loop_.after(poll_interval_ms, [this] { tick(); });
    stores_->poll({});
}

void Polled_stores::round_is_over()
{
    patience_.reset();
    waits_ = false;
    for (auto &request : std::exchange(waiting_, {}))
        stores_->get(std::move(request.keys), request.deadline, std::move(request.callback));
}

} // namespace

std::unique_ptr<Store> make_polled_stores(std::unique_ptr<Store> stores, Loop &loop,
                                          Polling polling, bool whole_round_first)
{
    return std::make_unique<Polled_stores>(std::move(stores), loop, polling, whole_round_first);
}

} // namespace proxymap
