// The helper thread of one mirror: it asks, waits and reads, so that the loop never does.
//
// The loop hands it requests, many at once; it puts the keys of all that wait into one multi-get
// `marker keys... marker`, reads the records, and hands the completions back through an eventfd.
// What an answer means (current? proven?) is decided by the mirror, on the loop's side.
//
// While probing, it tries by itself to connect and to fetch the marker, and says when it could.
#pragma once

#include "memcached_batch.h"
#include "memcached_mirror.h"

#include <cstdint>
#include <memory>
#include <vector>

namespace proxymap {

class Memcached_worker {
    struct Private {};
    struct Shared;

  public:
    struct Request {
        std::uint64_t id = 0;
        std::vector<Key> keys;
        std::uint64_t deadline = 0; // not asked any more after it
    };
    // One multi-get, and whose it was.
    struct Completion {
        Batch batch;
        std::vector<Request> requests;
        std::vector<std::size_t> slots; // of batch: one a key, request after request
        bool polled = false;            // it answers poll(), too
    };
    struct News {
        std::vector<Completion> completions;
        bool probed = false; // the mirror has answered a probe; probing has ended
    };

    // Starts the thread. Error: the system's reason.
    static Result<std::unique_ptr<Memcached_worker>> start(const Mirror_config &config);
    // Tells the thread to end, waits for it a few milliseconds, and leaves it to end by itself.
    ~Memcached_worker();
    Memcached_worker(const Memcached_worker &) = delete;
    Memcached_worker &operator=(const Memcached_worker &) = delete;

    // For the loop's thread; none of these blocks.
    // used: batches that are not needed any more. Who has made a thing frees it most cheaply.
    // known: the newest position that the process knows; see Memcached_session.
    void submit(std::vector<Request> requests, std::vector<Batch> used, const Position &known);
    // Asks for the marker, with whatever else is asked for then, and says the report.
    void poll(const Position &known, Own_report report);
    void start_probing(); // and forget what was submitted
    int news_fd() const;  // readable when there is news
    News take_news();

    Memcached_worker(Private, std::shared_ptr<Shared> shared); // only for start()

  private:
    std::shared_ptr<Shared> shared_; // with the thread
};

} // namespace proxymap
