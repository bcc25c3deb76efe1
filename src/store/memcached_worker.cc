// The helper thread and its two queues.
//
// MUST never touch anything of the loop's but the state shared here: the thread may outlive the
// mirror by as long as libmemcached waits.
#include "memcached_worker.h"

#include "../core/key.h"
#include "helper_thread.h"
#include "memcached_session.h"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <condition_variable>
#include <cstring>
#include <deque>
#include <functional>
#include <iterator>
#include <mutex>
#include <string_view>
#include <sys/eventfd.h>
#include <unistd.h>
#include <utility>

namespace proxymap {

namespace {

// libmemcached's write buffer has 8 KB, and a batch should go out by one send(): the keys of a
// batch, each with a blank, and its two markers take less.
constexpr std::size_t max_batch_bytes = 7500;
// More would only make the first of them wait.
constexpr std::size_t max_batch_keys = 128;
constexpr std::chrono::milliseconds patience_at_end{20};

class Event_fd {
  public:
    Event_fd() : fd_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {}
    ~Event_fd()
    {
        if (fd_ >= 0) {
            close(fd_);
        }
    }
    Event_fd(const Event_fd &) = delete;
    Event_fd &operator=(const Event_fd &) = delete;

    int get() const { return fd_; }
    // Neither can fail on a good eventfd, but for EAGAIN, which is as good.
    void set() const { (void)!eventfd_write(fd_, 1); }
    void reset() const
    {
        eventfd_t count = 0;
        (void)!eventfd_read(fd_, &count);
    }

  private:
    int fd_;
};

} // namespace

struct Memcached_worker::Shared {
    explicit Shared(const Mirror_config &mirror) : config(mirror) {}

    const Mirror_config config;
    const Event_fd wake_loop;

    std::mutex mutex; // guards all below
    std::condition_variable wake_thread;
    std::condition_variable ended_changed;
    std::deque<Request> queue;
    std::vector<Batch> used; // to be freed
    News news;
    Position known;
    bool polling = false; // a poll waits
    Own_report report;    // not yet said
    bool probing = false;
    bool stop = false;
    bool ended = false;

    // Requests that go into one multi-get.
    struct Gathered {
        std::vector<const Key *> keys; // each once; of the completion's requests
        Completion completion;
    };

    void run();
    Gathered gather(); // mutex must be held
};

// The keys of one batch. It is small, so that a key is found by its hash among them all.
class Batch_keys {
  public:
    // Of at most so many bytes in memcached's form.
    explicit Batch_keys(std::size_t name_space_bytes) : head_bytes_(name_space_bytes * 3) {}

    // False, and as before: there is no room for them all. The first ones always have it.
    bool add(const std::vector<Key> &keys, std::vector<std::size_t> *slots_r)
    {
        const auto keys_before = keys_.size();
        const auto slots_before = slots_r->size();
        const auto bytes_before = bytes_;
        for (const auto &key : keys) {
            slots_r->push_back(slot_of(key));
        }
        if (keys_before == 0 || (keys_.size() <= max_batch_keys && bytes_ <= max_batch_bytes)) {
            return true;
        }
        keys_.resize(keys_before);
        hashes_.resize(keys_before);
        slots_r->resize(slots_before);
        bytes_ = bytes_before;
        return false;
    }

    std::vector<const Key *> take() { return std::move(keys_); }

  private:
    std::size_t slot_of(const Key &key)
    {
        const auto hash = key_tag(key);
        for (std::size_t i = 0; i < hashes_.size(); i++) {
            if (hashes_[i] == hash && *keys_[i] == key) {
                return i;
            }
        }
        hashes_.push_back(hash);
        keys_.push_back(&key);
        // Each byte of a name may become three; a long key is hashed.
        bytes_ +=
            std::min(head_bytes_ + sizeof(":default:") + key.name.size() * 3, max_key_bytes + 1);
        return keys_.size() - 1;
    }

    std::size_t head_bytes_;
    std::size_t bytes_ = 0;
    std::vector<const Key *> keys_;
    std::vector<std::size_t> hashes_;
};

// Whole requests, as long as their keys fit; the first one always does.
Memcached_worker::Shared::Gathered Memcached_worker::Shared::gather()
{
    Gathered gathered;
    if (queue.empty()) {
        return gathered;
    }
    Batch_keys keys(config.name_space.size());
    auto &requests = gathered.completion.requests;
    auto &slots = gathered.completion.slots;
    requests.reserve(std::min(queue.size(), max_batch_keys));
    const auto now = monotonic_ms();
    for (; !queue.empty(); queue.pop_front()) {
        auto &request = queue.front();
        if (request.deadline <= now) {
            continue; // the loop has answered it
        }
        if (!keys.add(request.keys, &slots)) {
            break;
        }
        requests.push_back(std::move(request)); // the keys themselves stay where they are
    }
    gathered.keys = keys.take();
    return gathered;
}

void Memcached_worker::Shared::run()
{
    Memcached_session session(config);
    auto next_probe = std::chrono::steady_clock::now();
    const std::chrono::milliseconds pause(config.breaker_pause);

    std::unique_lock lock(mutex);
    while (!stop) {
        auto [keys, completion] = gather();
        auto to_free = std::exchange(used, {});
        const Position known_now = known;
        const auto to_say = std::exchange(report, {});
        completion.polled = std::exchange(polling, false);
        if (completion.polled || !completion.requests.empty()) {
            lock.unlock();
            to_free.clear();
            completion.batch = session.ask(keys, known_now);
            lock.lock();
            news.completions.push_back(std::move(completion));
            lock.unlock();
            wake_loop.set();     // without the lock, which the loop wants next
            session.say(to_say); // nobody waits for that
            lock.lock();
            next_probe = std::chrono::steady_clock::now();
        } else if (!probing) {
            wake_thread.wait(lock);
        } else if (std::chrono::steady_clock::now() < next_probe) {
            wake_thread.wait_until(lock, next_probe);
        } else {
            lock.unlock();
            completion.batch = session.ask({}, known_now);
            lock.lock();
            next_probe = std::chrono::steady_clock::now() + pause;
            if (completion.batch.failure.empty() && probing) {
                probing = false;
                news.completions.push_back(std::move(completion));
                news.probed = true;
                wake_loop.set();
            }
        }
    }
    ended = true;
    ended_changed.notify_all();
}

Memcached_worker::Memcached_worker(Private /*only start()*/, std::shared_ptr<Shared> shared)
    : shared_(std::move(shared))
{
}

Result<std::unique_ptr<Memcached_worker>> Memcached_worker::start(const Mirror_config &config)
{
    auto shared = std::make_shared<Shared>(config);
    if (shared->wake_loop.get() < 0) {
        return Error{std::string("cannot make an eventfd: ") + std::strerror(errno)};
    }
    const auto started = start_helper_thread([shared] { shared->run(); });
    if (!started) {
        return started.error();
    }
    return std::make_unique<Memcached_worker>(Private{}, std::move(shared));
}

Memcached_worker::~Memcached_worker()
{
    std::unique_lock lock(shared_->mutex);
    shared_->stop = true;
    shared_->wake_thread.notify_all();
    // Nearly always it ends at once; one that waits for a hung server is left behind.
    shared_->ended_changed.wait_for(lock, patience_at_end, [this] { return shared_->ended; });
}

void Memcached_worker::submit(std::vector<Request> requests, std::vector<Batch> used,
                              const Position &known)
{
    {
        const std::scoped_lock lock(shared_->mutex);
        shared_->known = known;
        std::move(requests.begin(), requests.end(), std::back_inserter(shared_->queue));
        std::move(used.begin(), used.end(), std::back_inserter(shared_->used));
    }
    shared_->wake_thread.notify_one(); // without the lock, which the thread wants next
}

void Memcached_worker::poll(const Position &known, Own_report report)
{
    {
        const std::scoped_lock lock(shared_->mutex);
        shared_->known = known;
        shared_->polling = true;
        shared_->report = std::move(report);
    }
    shared_->wake_thread.notify_one();
}

void Memcached_worker::start_probing()
{
    const std::scoped_lock lock(shared_->mutex);
    shared_->queue.clear();
    shared_->polling = false;
    shared_->probing = true;
    shared_->wake_thread.notify_one();
}

int Memcached_worker::news_fd() const
{
    return shared_->wake_loop.get();
}

Memcached_worker::News Memcached_worker::take_news()
{
    const std::scoped_lock lock(shared_->mutex);
    shared_->wake_loop.reset();
    return std::exchange(shared_->news, {});
}

} // namespace proxymap
