// A store that answers when the test says so, and a loop that the test turns by hand.
#pragma once

#include "store/loop.h"
#include "store/store.h"

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace proxymap {

// Timers run when the test says so.
class Hand_loop final : public Loop {
  public:
    class Hand_watch final : public Watch {
      public:
        Hand_watch(Hand_loop &loop, std::uint64_t id) : loop_(loop), id_(id) {}
        ~Hand_watch() override { loop_.timers_.erase(id_); }
        Hand_watch(const Hand_watch &) = delete;
        Hand_watch &operator=(const Hand_watch &) = delete;

      private:
        Hand_loop &loop_;
        std::uint64_t id_;
    };

    std::unique_ptr<Watch> when_readable(int, Callback) override { return nullptr; }
    std::unique_ptr<Watch> after(std::uint32_t, Callback callback) override
    {
        timers_[++last_id_] = std::move(callback);
        return std::make_unique<Hand_watch>(*this, last_id_);
    }
    void run_timers()
    {
        for (auto &[id, callback] : std::exchange(timers_, {}))
            callback();
    }

  private:
    std::map<std::uint64_t, Callback> timers_;
    std::uint64_t last_id_ = 0;
};

// Remembers what it is asked; answers when told to.
class Scripted_store final : public Store {
  public:
    struct Request {
        std::vector<Key> keys;
        std::uint64_t deadline;
        Answers_callback callback;
    };

    explicit Scripted_store(std::deque<Request> *requests) : requests_(requests) {}
    ~Scripted_store() override
    {
        while (!requests_->empty()) {
            Request request = std::move(requests_->front());
            requests_->pop_front();
            std::vector<Answer> answers(request.keys.size());
            for (Answer &answer : answers)
                answer.why = "closing";
            request.callback(std::move(answers));
        }
    }
    Scripted_store(const Scripted_store &) = delete;
    Scripted_store &operator=(const Scripted_store &) = delete;

    const std::string &name() const override { return name_; }
    void get(std::vector<Key> keys, std::uint64_t deadline, Answers_callback callback) override
    {
        requests_->push_back({std::move(keys), deadline, std::move(callback)});
    }

  private:
    std::string name_ = "scripted";
    std::deque<Request> *requests_;
};

} // namespace proxymap
