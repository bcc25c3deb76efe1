// The chain of stores, over stores that answer what the test says.
#include "store/chain.h"

#include "poll_loop.h"
#include "store_asking.h"

#include <algorithm>
#include <deque>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <CppUTest/TestHarness.h>

using namespace proxymap;
using namespace store_asking;

namespace {

const Key joe{Kind::user, "joe"};
const Key org{Kind::domain, "example.org"};
const Key anybody{Kind::default_route, "*"};

struct Asked {
    std::vector<Key> keys;
    std::uint64_t deadline;
    Answers_callback callback;
};

// Keeps what it is asked, until the test answers or it goes.
class Scripted final : public Store {
  public:
    Scripted(std::string name, std::deque<Asked> *asked) : name_(std::move(name)), asked_(asked) {}
    ~Scripted() override
    {
        while (!asked_->empty()) {
            auto first = std::move(asked_->front());
            asked_->pop_front();
            first.callback(std::vector<Answer>(first.keys.size(), no("gone")));
        }
    }
    Scripted(const Scripted &) = delete;
    Scripted &operator=(const Scripted &) = delete;

    const std::string &name() const override { return name_; }
    void poll(Poll_callback done) override { polls_.push_back(std::move(done)); }
    unsigned polls() const { return static_cast<unsigned>(polls_.size()); }
    void end_poll()
    {
        polls_.front()();
        polls_.erase(polls_.begin());
    }
    void get(std::vector<Key> keys, std::uint64_t deadline, Answers_callback callback) override
    {
        asked_->push_back({std::move(keys), deadline, std::move(callback)});
    }
    Answer no(const std::string &why) const
    {
        return {Outcome::unavailable, nullptr, name_ + ": " + why, kept_name(name_)};
    }

  private:
    std::string name_;
    std::deque<Asked> *asked_;
    std::vector<Poll_callback> polls_;
};

Answer found(const std::string &line, const std::string &store)
{
    return {Outcome::found,
            std::make_shared<const Record>(record(line, {1, 1, 1})),
            {},
            kept_name(store)};
}

Answer missing(const std::string &store)
{
    return {Outcome::missing, nullptr, {}, kept_name(store)};
}

Answer no(const std::string &store, const std::string &why)
{
    return {Outcome::unavailable, nullptr, store + ": " + why, kept_name(store)};
}

} // namespace

TEST_GROUP(chain)
{
    Poll_loop loop;
    std::deque<Asked> first;
    std::deque<Asked> second;
    std::unique_ptr<Store> stores;
    Scripted *first_one = nullptr;
    Scripted *last_one = nullptr;
    Lookup lookup;

    void setup() override
    {
        std::vector<std::unique_ptr<Store>> list;
        auto one = std::make_unique<Scripted>("one", &first);
        first_one = one.get();
        list.push_back(std::move(one));
        auto two = std::make_unique<Scripted>("two", &second);
        last_one = two.get();
        list.push_back(std::move(two));
        stores = make_chain(std::move(list), loop);
    }
    void teardown() override
    {
        stores.reset();
    }
    static void answer(std::deque<Asked> & store, std::vector<Answer> answers)
    {
        CHECK(!store.empty());
        auto request = std::move(store.front());
        store.pop_front();
        request.callback(std::move(answers));
    }
};

TEST(chain, what_the_first_store_decides_the_second_is_never_asked)
{
    start(*stores, &lookup, {joe, org}, 1000);
    answer(first, {found("user joe host=192.0.2.1", "one"), missing("one")});
    CHECK(lookup.answered);
    CHECK(second.empty());
    CHECK(lookup.answers[0].outcome == Outcome::found);
    CHECK(lookup.answers[1].outcome == Outcome::missing);
    STRCMP_EQUAL("one", std::string(lookup.answers[1].store).c_str());
}

TEST(chain, polls_all_its_stores_and_says_so_when_the_last_one_has_answered)
{
    unsigned rounds = 0;
    stores->poll([&rounds] { rounds++; });
    UNSIGNED_LONGS_EQUAL(1, first_one->polls());
    UNSIGNED_LONGS_EQUAL(1, last_one->polls());
    last_one->end_poll();
    UNSIGNED_LONGS_EQUAL(0, rounds);
    first_one->end_poll();
    UNSIGNED_LONGS_EQUAL(1, rounds);
}

TEST(chain, an_answer_that_was_overtaken_anywhere_may_be_asked_for_again)
{
    start(*stores, &lookup, {joe, org}, 1000);
    auto overtaken = no("one", "it is behind");
    overtaken.overtaken = true;
    answer(first, {overtaken, overtaken});
    answer(second, {found("user joe host=192.0.2.1", "two"), no("two", "down")});
    CHECK(lookup.answers[0].outcome == Outcome::found);
    CHECK_FALSE(lookup.answers[0].overtaken);
    CHECK(lookup.answers[1].overtaken);
}

TEST(chain, only_the_keys_that_are_undecided_go_to_the_next_store)
{
    start(*stores, &lookup, {joe, org, anybody}, 1000);
    answer(first, {found("user joe host=192.0.2.1", "one"), no("one", "down"), missing("one")});
    CHECK_FALSE(lookup.answered);
    UNSIGNED_LONGS_EQUAL(1, second.front().keys.size());
    CHECK(second.front().keys[0] == org);
    answer(second, {found("domain example.org host=192.0.2.2", "two")});
    CHECK(lookup.answered);
    STRCMP_EQUAL("joe", lookup.answers[0].record->name.c_str());
    STRCMP_EQUAL("example.org", lookup.answers[1].record->name.c_str());
    CHECK(lookup.answers[2].outcome == Outcome::missing);
    STRCMP_EQUAL("two", std::string(lookup.answers[1].store).c_str());
}

TEST(chain, a_miss_that_the_first_cannot_prove_the_second_can)
{
    start(*stores, &lookup, {joe}, 1000);
    answer(first, {no("one", "cannot prove that")});
    answer(second, {missing("two")});
    CHECK(lookup.answers[0].outcome == Outcome::missing);
    // For the log: the first one needs looking at, though nobody suffers.
    STRCMP_EQUAL("one: cannot prove that", lookup.answers[0].why.c_str());
}

TEST(chain, what_no_store_decides_is_unavailable_for_all_their_reasons)
{
    start(*stores, &lookup, {joe}, 1000);
    answer(first, {no("one", "timed out after 250 ms")});
    answer(second, {no("two", "not readable")});
    CHECK(lookup.answers[0].outcome == Outcome::unavailable);
    STRCMP_EQUAL("one: timed out after 250 ms; two: not readable", lookup.answers[0].why.c_str());
}

TEST(chain, a_store_gets_half_of_the_time_while_others_remain_and_the_last_one_all)
{
    const auto asked = monotonic_ms();
    stores->get({joe}, asked + 100'000, [](const auto &) {});
    CHECK(first.front().deadline >= asked + 50'000);
    CHECK(first.front().deadline <= asked + 50'000 + (monotonic_ms() - asked));
    answer(first, {no("one", "down")});
    CHECK(second.front().deadline == asked + 100'000);
    answer(second, {missing("two")});
}

TEST(chain, a_deadline_that_has_passed_still_lets_every_store_say_what_it_can_at_once)
{
    Lookup late;
    start(*stores, &late, {joe}, 0);
    answer(first, {no("one", "timed out")});
    answer(second, {missing("two")});
    CHECK(late.answers[0].outcome == Outcome::missing);
}

TEST(chain, lookups_do_not_mix)
{
    Lookup other;
    start(*stores, &lookup, {joe}, 1000);
    start(*stores, &other, {org}, 1000);
    std::swap(first[0], first[1]);
    answer(first, {no("one", "down")});
    answer(first, {found("user joe host=192.0.2.1", "one")});
    CHECK(lookup.answered);
    CHECK_FALSE(other.answered);
    CHECK(second.front().keys[0] == org);
    answer(second, {missing("two")});
    CHECK(other.answered);
}

TEST(chain, its_end_answers_all_that_wait_and_asks_nobody)
{
    Lookup waits_for_second;
    start(*stores, &waits_for_second, {org}, 1000);
    answer(first, {no("one", "down")});
    start(*stores, &lookup, {joe}, 1000);
    stores.reset();
    CHECK(lookup.answered);
    STRCMP_EQUAL("one: gone", lookup.answers[0].why.c_str());
    CHECK(waits_for_second.answered);
    STRCMP_EQUAL("one: down; two: gone", waits_for_second.answers[0].why.c_str());
}

TEST(chain, a_callback_may_end_it)
{
    stores->get({joe}, monotonic_ms() + 1000, [this](const auto &) { stores.reset(); });
    answer(first, {missing("one")});
    CHECK(!stores);
}

TEST(chain, one_store_alone_is_asked_directly)
{
    std::deque<Asked> only;
    std::vector<std::unique_ptr<Store>> list;
    list.push_back(std::make_unique<Scripted>("only", &only));
    const auto chain = make_chain(std::move(list), loop);
    STRCMP_EQUAL("only", chain->name().c_str());
}

TEST(chain, without_a_store_everything_is_unavailable)
{
    const auto chain = make_chain({}, loop);
    const auto answers = ask(*chain, loop, {joe, org});
    CHECK(answers[0].outcome == Outcome::unavailable);
    STRCMP_EQUAL("no store is configured", answers[1].why.c_str());
}
