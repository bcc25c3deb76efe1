// The helper thread and its two queues.
//
// MUST never touch anything of the loop's but the state shared here: the thread may outlive the
// mirror by as long as libmemcached waits.
#include "memcached_worker.h"

#include "helper_thread.h"
#include "memcached_session.h"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <condition_variable>
#include <cstring>
#include <deque>
#include <map>
#include <mutex>
#include <sys/eventfd.h>
#include <unistd.h>
#include <utility>

namespace proxymap {

namespace {

// Keys of full length and two markers fit into libmemcached's write buffer of 8 KB, so that a batch
// goes out by one send().
constexpr std::size_t max_batch_keys = 32;
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
    News news;
    bool probing = false;
    bool stop = false;
    bool ended = false;

    // Requests that go into one multi-get.
    struct Gathered {
        std::vector<Key> keys; // each once
        std::vector<Completion> completions;
    };

    void run();
    // mutex must be held for these two.
    Gathered gather();
    void tell(News more);
};

// Whole requests, as long as their keys fit; the first one always does.
Memcached_worker::Shared::Gathered Memcached_worker::Shared::gather()
{
    Gathered gathered;
    std::map<Key, std::size_t> slot_of;
    const auto now = monotonic_ms();
    for (; !queue.empty(); queue.pop_front()) {
        const auto &request = queue.front();
        if (request.deadline <= now) {
            continue; // the loop has answered it
        }
        const auto fresh = std::count_if(request.keys.begin(), request.keys.end(),
                                         [&](auto &key) { return !slot_of.contains(key); });
        if (!gathered.keys.empty() &&
            gathered.keys.size() + static_cast<std::size_t>(fresh) > max_batch_keys) {
            break;
        }
        Completion completion;
        completion.request = request.id;
        for (const auto &key : request.keys) {
            const auto [found, added] = slot_of.try_emplace(key, gathered.keys.size());
            if (added) {
                gathered.keys.push_back(key);
            }
            completion.slots.push_back(found->second);
        }
        gathered.completions.push_back(std::move(completion));
    }
    return gathered;
}

void Memcached_worker::Shared::tell(News more)
{
    for (auto &completion : more.completions) {
        news.completions.push_back(std::move(completion));
    }
    news.probed |= more.probed;
    wake_loop.set();
}

void Memcached_worker::Shared::run()
{
    Memcached_session session(config);
    auto next_probe = std::chrono::steady_clock::now();
    const std::chrono::milliseconds pause(config.breaker_pause);

    std::unique_lock lock(mutex);
    while (!stop) {
        auto gathered = gather();
        if (!gathered.completions.empty()) {
            lock.unlock();
            const auto batch = std::make_shared<const Batch>(session.ask(gathered.keys));
            for (auto &completion : gathered.completions) {
                completion.batch = batch;
            }
            lock.lock();
            tell({std::move(gathered.completions), false});
            next_probe = std::chrono::steady_clock::now();
        } else if (!probing) {
            wake_thread.wait(lock);
        } else if (std::chrono::steady_clock::now() < next_probe) {
            wake_thread.wait_until(lock, next_probe);
        } else {
            lock.unlock();
            const bool good = session.ask({}).failure.empty();
            lock.lock();
            next_probe = std::chrono::steady_clock::now() + pause;
            if (good && probing) {
                probing = false;
                tell({{}, true});
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

void Memcached_worker::submit(Request request)
{
    const std::scoped_lock lock(shared_->mutex);
    shared_->queue.push_back(std::move(request));
    shared_->wake_thread.notify_one();
}

void Memcached_worker::start_probing()
{
    const std::scoped_lock lock(shared_->mutex);
    shared_->queue.clear();
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
