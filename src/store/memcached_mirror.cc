// The mirror as the loop sees it: requests, deadlines, the breaker and the answers. Everything here
// runs in the loop's thread; memcached_worker.h is the other side.
//
// MUST never wait, and never answer `missing` but by the verdict of mirror_proof.h.
#include "memcached_mirror.h"

#include "../core/key.h"
#include "../core/proxy_report.h"
#include "breaker.h"
#include "memcached_worker.h"
#include "mirror_proof.h"
#include "pending_requests.h"

#include <ctime>
#include <iterator>
#include <unistd.h>
#include <utility>

namespace proxymap {

namespace {

// Batches kept for the worker to free; more are freed here.
constexpr std::size_t max_used = 8;

class Memcached_mirror final : public Store {
  public:
    Memcached_mirror(const Mirror_config &config, Loop &loop, Map_news &news);
    ~Memcached_mirror() override;
    Memcached_mirror(const Memcached_mirror &) = delete;
    Memcached_mirror &operator=(const Memcached_mirror &) = delete;

    const std::string &name() const override { return name_; }
    void poll(Poll_callback done) override;
    void get(std::vector<Key> keys, std::uint64_t deadline, Answers_callback callback) override;

  private:
    using Request = Pending_requests::Request;
    struct Answered {
        Answers_callback callback;
        std::vector<Answer> answers;
    };

    Result<Done> start_worker();
    void submit();
    void worker_has_news();
    void requests_expired(std::vector<Request> requests);
    Own_report report() const;
    void note_failure(const std::string &why);
    void polls_are_over();

    // Last of all, and static: a callback may destroy the mirror.
    static void call_back(std::vector<Answered> answered, const std::vector<Poll_callback> &polled);
    std::vector<Poll_callback> take_polled() { return std::exchange(polled_, {}); }

    std::vector<Answer> unavailable(std::size_t count, const std::string &why) const;
    std::vector<Answer> answers(const std::vector<Key> &keys, const std::size_t *slots,
                                const Batch &batch, const Mirror_verdict &verdict) const;
    Answer answer(const Key &key, const Slot &slot, const Mirror_verdict &verdict) const;

    const Mirror_config config_;
    const std::string name_;
    const std::string_view kept_name_;
    Loop &loop_;
    Map_news &news_;
    Breaker breaker_;
    std::string last_failure_;
    Pending_requests pending_;
    std::unique_ptr<Memcached_worker> worker_; // null until the first get()
    std::unique_ptr<Loop::Watch> news_watch_;
    // Handed to the worker once in a turn of the loop: waking it costs more than a lookup.
    std::vector<Memcached_worker::Request> unsent_;
    std::vector<Poll_callback> polls_;  // for whom the worker has been told to poll
    std::vector<Poll_callback> polled_; // for whom that is over
    std::vector<Batch> used_;
    std::unique_ptr<Loop::Watch> submit_soon_; // while there is something unsent
};

Memcached_mirror::Memcached_mirror(const Mirror_config &config, Loop &loop, Map_news &news)
    : config_(config), name_(config.address.text()), kept_name_(kept_name(name_)), loop_(loop),
      news_(news), breaker_(config.breaker_failures),
      pending_(loop, [this](auto requests) { requests_expired(std::move(requests)); })
{
}

Memcached_mirror::~Memcached_mirror()
{
    submit_soon_.reset();
    news_watch_.reset();
    worker_.reset();
    for (auto &request : pending_.take_all()) {
        request.callback(unavailable(request.key_count, "the lookup was ended"));
    }
}

void Memcached_mirror::poll(Poll_callback done)
{
    // While the breaker is open the worker probes by itself, which shows the marker as well.
    if (breaker_.open() || !start_worker()) {
        if (done)
            done();
        return;
    }
    polls_.push_back(std::move(done));
    if (polls_.size() == 1)
        worker_->poll(news_.position(), report());
}

// What this process has heard, it has let go: so far it has followed.
Own_report Memcached_mirror::report() const
{
    if (config_.proxy_name.empty() || !news_.position().known())
        return {};
    const Proxy_report said{own_host_name(), static_cast<std::uint64_t>(getpid()), news_.position(),
                            static_cast<std::uint64_t>(std::time(nullptr))};
    auto text =
        format_proxy_report(said, config_.name_space, config_.proxy_name, config_.seal_keys);
    if (!text)
        return {};
    return {proxy_report_key(config_.name_space, config_.proxy_name), std::move(*text)};
}

void Memcached_mirror::get(std::vector<Key> keys, std::uint64_t deadline, Answers_callback callback)
{
    Request request;
    request.key_count = keys.size();
    request.asked = monotonic_ms();
    request.deadline = deadline;
    request.callback = std::move(callback);
    if (breaker_.open()) {
        request.refusal = "not asked until it is well again, after: " + last_failure_;
    } else if (const auto started = start_worker(); !started) {
        request.refusal = started.error().message;
    }
    if (!request.refusal.empty()) {
        request.deadline = request.asked;
        pending_.add(std::move(request));
        return;
    }
    const auto id = pending_.add(std::move(request));
    unsent_.push_back({id, std::move(keys), deadline});
    if (!submit_soon_) {
        submit_soon_ = loop_.after(0, [this] { submit(); });
    }
}

void Memcached_mirror::submit()
{
    submit_soon_.reset();
    worker_->submit(std::exchange(unsent_, {}), std::exchange(used_, {}), news_.position());
}

Result<Done> Memcached_mirror::start_worker()
{
    if (worker_) {
        return Done{};
    }
    auto worker = Memcached_worker::start(config_);
    if (!worker) {
        return worker.error();
    }
    worker_ = std::move(*worker);
    news_watch_ = loop_.when_readable(worker_->news_fd(), [this] { worker_has_news(); });
    return Done{};
}

void Memcached_mirror::worker_has_news()
{
    auto news = worker_->take_news();
    if (news.probed) {
        breaker_.succeeded();
    }
    std::vector<Answered> answered;
    for (auto &[batch, requests, slots, was_polled] : news.completions) {
        Mirror_verdict verdict;
        if (batch.failure.empty()) {
            verdict = judge_mirror(batch, config_.require_seal, news_);
            breaker_.succeeded();
        } else {
            note_failure(batch.failure);
        }
        const std::size_t *its_slots = slots.data();
        for (const auto &[id, keys, deadline] : requests) {
            if (auto request = pending_.take(id)) { // else it had timed out
                answered.push_back(
                    {std::move(request->callback), batch.failure.empty()
                                                       ? answers(keys, its_slots, batch, verdict)
                                                       : unavailable(keys.size(), batch.failure)});
            }
            its_slots += keys.size();
        }
        if (was_polled)
            polls_are_over();
        if (used_.size() < max_used) {
            used_.push_back(std::move(batch));
        }
    }
    call_back(std::move(answered), take_polled());
}

void Memcached_mirror::requests_expired(std::vector<Request> requests)
{
    std::vector<Answered> answered;
    bool silent = false;
    for (auto &request : requests) {
        auto why = request.refusal;
        if (why.empty()) {
            silent = true;
            const auto msecs =
                request.deadline > request.asked ? request.deadline - request.asked : 0;
            why = "timed out after " + std::to_string(msecs) + " ms";
        }
        answered.push_back({std::move(request.callback), unavailable(request.key_count, why)});
    }
    if (silent) { // one failure, however many waited for the same silence
        note_failure("it did not answer in time");
    }
    call_back(std::move(answered), take_polled());
}

void Memcached_mirror::note_failure(const std::string &why)
{
    last_failure_ = why;
    if (breaker_.failed()) {
        unsent_.clear();
        worker_->start_probing();
        pending_.give_up(why);
        polls_are_over();
    }
}

void Memcached_mirror::polls_are_over()
{
    std::move(polls_.begin(), polls_.end(), std::back_inserter(polled_));
    polls_.clear();
}

void Memcached_mirror::call_back(std::vector<Answered> answered,
                                 const std::vector<Poll_callback> &polled)
{
    for (auto &[callback, answers] : answered) {
        callback(std::move(answers));
    }
    for (const auto &done : polled) {
        if (done)
            done();
    }
}

// slots: of the batch, one a key.
std::vector<Answer> Memcached_mirror::answers(const std::vector<Key> &keys,
                                              const std::size_t *slots, const Batch &batch,
                                              const Mirror_verdict &verdict) const
{
    std::vector<Answer> all;
    all.reserve(keys.size());
    for (std::size_t i = 0; i < keys.size(); i++) {
        all.push_back(answer(keys[i], batch.slots[slots[i]], verdict));
    }
    return all;
}

Answer Memcached_mirror::answer(const Key &key, const Slot &slot,
                                const Mirror_verdict &verdict) const
{
    const auto subject = [&] {
        return name_ + ": " + encode_key(config_.name_space, key.kind, key.name) + ": ";
    };
    if (!verdict.unreadable.empty()) {
        return {.outcome = Outcome::unavailable,
                .why = subject() + "not read: " + verdict.unreadable,
                .store = kept_name_,
                .present = verdict.overtaken && (slot.record || !slot.fault.empty()),
                .overtaken = verdict.overtaken};
    }
    if (!slot.fault.empty()) {
        return {Outcome::unavailable, nullptr, subject() + slot.fault, kept_name_, true};
    }
    if (slot.record) {
        const auto &newest = news_.position();
        if (newest.known() && slot.position.table != newest.table) {
            return {Outcome::unavailable, nullptr, subject() + "its record is of another table",
                    kept_name_, true};
        }
        return {Outcome::found, slot.record,   {},       kept_name_,
                false,          slot.position, slot.tag, verdict.as_of};
    }
    if (!verdict.unproven.empty()) {
        return {Outcome::unavailable, nullptr,
                name_ + ": a miss there proves nothing: " + verdict.unproven, kept_name_};
    }
    return {.outcome = Outcome::missing, .store = kept_name_, .as_of = verdict.as_of};
}

// One sentence for all keys: an outage is one cause, and is logged as one.
std::vector<Answer> Memcached_mirror::unavailable(std::size_t count, const std::string &why) const
{
    return std::vector<Answer>(
        count, Answer{Outcome::unavailable, nullptr, name_ + ": " + why, kept_name_});
}

} // namespace

std::unique_ptr<Store> make_memcached_mirror(const Mirror_config &config, Loop &loop,
                                             Map_news &news)
{
    return std::make_unique<Memcached_mirror>(config, loop, news);
}

} // namespace proxymap
