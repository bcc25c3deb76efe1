// When stores are asked where they stand.
#include "store/polled_stores.h"

#include "scripted_store.h"

#include <CppUTest/TestHarness.h>

using namespace proxymap;

namespace {

class Counted_store final : public Store {
  public:
    Counted_store(std::deque<Scripted_store::Request> *requests, std::vector<Poll_callback> *polls)
        : asked_(requests), polls_(polls)
    {
    }
    const std::string &name() const override { return asked_.name(); }
    void poll(Poll_callback done) override { polls_->push_back(std::move(done)); }
    void get(std::vector<Key> keys, std::uint64_t deadline, Answers_callback callback) override
    {
        asked_.get(std::move(keys), deadline, std::move(callback));
    }

  private:
    Scripted_store asked_;
    std::vector<Poll_callback> *polls_;
};

} // namespace

TEST_GROUP(polled_stores)
{
    Hand_loop loop;
    std::deque<Scripted_store::Request> requests;
    std::vector<Poll_callback> polls;
    std::unique_ptr<Store> stores;
    std::vector<Answer> answers;

    void teardown() override
    {
        stores.reset(); // it answers what still waits
    }
    void open(bool whole_round_first, Polling polling = Polling::from_first_lookup)
    {
        stores = make_polled_stores(std::make_unique<Counted_store>(&requests, &polls), loop,
                                    polling, whole_round_first);
    }
    void get()
    {
        stores->get({{Kind::user, "joe"}}, monotonic_ms() + 1000,
                    [this](std::vector<Answer> got) { answers = std::move(got); });
    }
};

TEST(polled_stores, nobody_is_asked_anything_before_the_first_lookup)
{
    open(true);
    loop.run_timers();
    CHECK(polls.empty());
    CHECK(requests.empty());
}

TEST(polled_stores, they_are_polled_as_soon_as_the_loop_runs_where_that_is_wanted)
{
    open(true, Polling::at_once);
    CHECK(polls.empty());
    loop.run_timers();
    UNSIGNED_LONGS_EQUAL(1, polls.size());
    polls.front()();
    get();
    UNSIGNED_LONGS_EQUAL(1, requests.size());
}

TEST(polled_stores, one_store_is_read_at_once_and_polled_from_then_on)
{
    open(false);
    get();
    UNSIGNED_LONGS_EQUAL(1, requests.size());
    loop.run_timers();
    UNSIGNED_LONGS_EQUAL(1, polls.size());
    loop.run_timers();
    UNSIGNED_LONGS_EQUAL(2, polls.size());
}

TEST(polled_stores, none_is_read_before_all_have_said_where_they_stand)
{
    open(true);
    get();
    get();
    CHECK(requests.empty());
    UNSIGNED_LONGS_EQUAL(1, polls.size());
    polls.front()();
    UNSIGNED_LONGS_EQUAL(2, requests.size());
    get();
    UNSIGNED_LONGS_EQUAL(3, requests.size());
}

TEST(polled_stores, half_of_the_first_lookups_time_is_enough_to_wait_for_a_round)
{
    open(true);
    get();
    loop.run_timers();
    UNSIGNED_LONGS_EQUAL(1, requests.size());
    polls.front()(); // too late, and no harm
    UNSIGNED_LONGS_EQUAL(1, requests.size());
}

TEST(polled_stores, what_waits_for_the_round_is_answered_at_the_end)
{
    open(true);
    get();
    stores.reset();
    UNSIGNED_LONGS_EQUAL(1, answers.size());
    CHECK(answers[0].outcome == Outcome::unavailable);
    CHECK(requests.empty());
}
