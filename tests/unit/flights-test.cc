// Flights over a scripted store and a loop that the test turns by hand.
#include "store/flights.h"

#include "scripted_store.h"

#include <deque>
#include <stdexcept>
#include <string>
#include <vector>

#include <CppUTest/TestHarness.h>

using namespace proxymap;

namespace {

// Answers too late, for it throws first.
class Throwing_store final : public Store {
  public:
    explicit Throwing_store(Answers_callback *callback) : callback_(callback) {}
    const std::string &name() const override { return name_; }
    void get(std::vector<Key>, std::uint64_t, Answers_callback callback) override
    {
        *callback_ = std::move(callback);
        throw std::runtime_error("no thread");
    }

  private:
    std::string name_ = "throwing";
    Answers_callback *callback_;
};

Key user(const std::string &name)
{
    return {Kind::user, name};
}

Answer missing(const std::string &store)
{
    Answer answer;
    answer.outcome = Outcome::missing;
    answer.store = kept_name(store);
    return answer;
}

} // namespace

TEST_GROUP(flights)
{
    Hand_loop loop;
    std::deque<Scripted_store::Request> requests;
    std::vector<std::string> told; // "john one": the key, and who answered
    std::unique_ptr<Flights> flights;

    void setup() override
    {
        open(std::make_unique<Scripted_store>(&requests));
    }

    void open(std::unique_ptr<Store> store)
    {
        flights = std::make_unique<Flights>(
            loop, std::move(store), [this](Flight &flight, std::uint64_t) {
                told.push_back(flight.key.name + " " +
                               (flight.answer.why.empty() ? std::string(flight.answer.store)
                                                          : flight.answer.why));
            });
    }

    Scripted_store::Request take()
    {
        CHECK_FALSE(requests.empty());
        Scripted_store::Request request = std::move(requests.front());
        requests.pop_front();
        return request;
    }
};

TEST(flights, what_is_launched_in_one_turn_is_one_request)
{
    flights->launch(user("john"), 1000);
    flights->launch(user("joe"), 1000);
    CHECK_TRUE(requests.empty());
    loop.run_timers();
    LONGS_EQUAL(1, requests.size());
    LONGS_EQUAL(2, requests[0].keys.size());
    UNSIGNED_LONGS_EQUAL(1000, requests[0].deadline);
    take().callback({missing("one"), missing("two")});
    LONGS_EQUAL(2, told.size());
    STRCMP_EQUAL("john one", told[0].c_str());
    STRCMP_EQUAL("joe two", told[1].c_str());
    LONGS_EQUAL(0, flights->count());
}

TEST(flights, an_answer_that_is_another_keys_is_none)
{
    const auto found = [](const std::string &line, const Key &read_for) {
        Answer answer;
        answer.outcome = Outcome::found;
        answer.store = "one";
        Record record = *parse_record(line, Key_case::lower);
        if (!read_for.name.empty())
            record.name.clear();
        answer.record = std::make_shared<const Record>(std::move(record));
        answer.tag = read_for.name.empty() ? 0 : key_tag(read_for);
        return answer;
    };
    const Key none{Kind::user, ""};
    const std::vector<std::pair<std::string, Answer>> cases = {
        {"john one", found("user john host=a", none)},
        {"john one", found("user john host=a", user("john"))},
        {"john one: answers with another key's record", found("user joe host=a", none)},
        {"john one: answers with another key's record", found("domain john host=a", none)},
        {"john one: answers with another key's record", found("user joe host=a", user("joe"))},
        {"john one: answers with another key's record",
         found("domain john host=a", {Kind::domain, "john"})},
    };
    for (const auto &[expected, answer] : cases) {
        told.clear();
        flights->launch(user("john"), 1000);
        loop.run_timers();
        take().callback({answer});
        STRCMP_EQUAL(expected.c_str(), told.at(0).c_str());
    }
}

TEST(flights, a_key_under_way_is_not_asked_for_again)
{
    Flight &first = flights->launch(user("john"), 1000);
    POINTERS_EQUAL(&first, &flights->launch(user("john"), 1000));
    loop.run_timers();
    POINTERS_EQUAL(&first, &flights->launch(user("john"), 2000));
    loop.run_timers();
    LONGS_EQUAL(1, requests.size());
    LONGS_EQUAL(1, requests[0].keys.size());
}

TEST(flights, a_domain_of_the_same_name_is_another_key)
{
    flights->launch(user("example.com"), 1000);
    flights->launch({Kind::domain, "example.com"}, 1000);
    LONGS_EQUAL(2, flights->count());
}

TEST(flights, what_has_little_time_left_takes_none_from_the_others)
{
    flights->launch(user("john"), 1500);
    flights->launch({Kind::backend, "b1"}, 1010);
    flights->launch(user("joe"), 1501);
    loop.run_timers();
    LONGS_EQUAL(2, requests.size());
    STRCMP_EQUAL("b1", requests[0].keys.at(0).name.c_str());
    UNSIGNED_LONGS_EQUAL(1010, requests[0].deadline);
    LONGS_EQUAL(2, requests[1].keys.size());
    UNSIGNED_LONGS_EQUAL(1500, requests[1].deadline);
}

TEST(flights, many_keys_are_several_requests)
{
    for (int i = 0; i < 33; i++)
        flights->launch(user("user" + std::to_string(i)), 1000);
    loop.run_timers();
    LONGS_EQUAL(2, requests.size());
    LONGS_EQUAL(32, requests[0].keys.size());
    STRCMP_EQUAL("user32", requests[1].keys.at(0).name.c_str());
}

TEST(flights, a_store_that_answers_twice_is_believed_once)
{
    flights->launch(user("john"), 1000);
    loop.run_timers();
    const Scripted_store::Request request = take();
    request.callback({missing("one")});
    flights->launch(user("joe"), 1000); // may well be where john's flight was
    loop.run_timers();
    request.callback({missing("again")});
    LONGS_EQUAL(1, told.size());
    LONGS_EQUAL(1, flights->count());
}

TEST(flights, a_store_that_throws_cannot_answer_any_more)
{
    Answers_callback late;
    open(std::make_unique<Throwing_store>(&late));
    flights->launch(user("john"), 1000);
    loop.run_timers();
    STRCMP_EQUAL("john no thread", told.at(0).c_str());
    late({missing("late")});
    LONGS_EQUAL(1, told.size());
    LONGS_EQUAL(0, flights->count());
}

TEST(flights, an_answer_is_there_until_its_last_holder_lets_go)
{
    Flight &flight = flights->launch(user("john"), 1000);
    flight.waiters = {nullptr, nullptr}; // who it is does not matter here
    loop.run_timers();
    Answer found = missing("one");
    found.outcome = Outcome::found;
    found.record = std::make_shared<Record>(Record{Kind::user, "john", {}, {}});
    const std::weak_ptr<const Record> record = found.record;
    take().callback({std::move(found)});
    flights->let_go(flight);
    CHECK_FALSE(record.expired());
    flights->let_go(flight);
    CHECK_TRUE(record.expired());
}

TEST(flights, a_cancelled_one_is_never_asked_for_and_says_why)
{
    Flight &flight = flights->cancelled(user("john"), "no time");
    loop.run_timers();
    CHECK_TRUE(requests.empty());
    CHECK_TRUE(flight.answer.outcome == Outcome::unavailable);
    STRCMP_EQUAL("no time", flight.answer.why.c_str());
    flights->let_go(flight);
}

TEST(flights, everything_lands_at_the_end_asked_for_or_not)
{
    flights->launch(user("john"), 1000);
    loop.run_timers();
    flights->launch(user("joe"), 1000);
    flights->close();
    LONGS_EQUAL(2, told.size());
    STRCMP_EQUAL("john closing", told[0].c_str());
    STRCMP_EQUAL("joe shutting down", told[1].c_str());
}
