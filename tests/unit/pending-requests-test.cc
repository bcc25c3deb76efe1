// Requests that wait, their one timer, and the breaker that ends waiting.
#include "store/pending_requests.h"

#include "poll_loop.h"
#include "store/breaker.h"

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <CppUTest/TestHarness.h>

using namespace proxymap;

TEST_GROUP(pending_requests)
{
    Poll_loop loop;
    std::vector<Pending_requests::Request> expired;
    std::unique_ptr<Pending_requests> pending;

    void setup() override
    {
        pending = std::make_unique<Pending_requests>(loop, [this](auto requests) {
            for (auto &request : requests) {
                expired.push_back(std::move(request));
            }
        });
    }
    std::uint64_t add(const std::string &name, std::uint64_t msecs)
    {
        const auto now = monotonic_ms();
        return pending->add({{{Kind::user, name}}, now, now + msecs, {}, nullptr});
    }
};

TEST(pending_requests, the_nearest_deadline_comes_first_whenever_it_was_set)
{
    add("late", 60'000);
    add("early", 1);
    CHECK(loop.run_until([&] { return !expired.empty(); }));
    UNSIGNED_LONGS_EQUAL(1, expired.size());
    STRCMP_EQUAL("early", expired[0].keys[0].name.c_str());
    UNSIGNED_LONGS_EQUAL(1, pending->take_all().size());
}

TEST(pending_requests, each_one_expires_even_when_those_before_it_were_taken)
{
    const auto first = add("first", 1);
    add("second", 2);
    CHECK(pending->take(first).has_value());
    CHECK_FALSE(pending->take(first).has_value());
    CHECK(loop.run_until([&] { return !expired.empty(); }));
    STRCMP_EQUAL("second", expired[0].keys[0].name.c_str());
    add("third", 1);
    CHECK(loop.run_until([&] { return expired.size() == 2; }));
    CHECK(pending->take_all().empty());
}

TEST(pending_requests, one_of_many_expires_when_all_others_were_taken)
{
    std::vector<std::uint64_t> taken;
    for (int i = 0; i < 500; i++)
        taken.push_back(add("taken", i % 2 == 0 ? 1 : 60'000));
    add("left", 1);
    for (const auto id : taken)
        CHECK(pending->take(id).has_value());
    for (int i = 0; i < 500; i++)
        CHECK(pending->take(add("taken", 1)).has_value());
    CHECK(loop.run_until([&] { return !expired.empty(); }));
    UNSIGNED_LONGS_EQUAL(1, expired.size());
    STRCMP_EQUAL("left", expired[0].keys[0].name.c_str());
}

TEST(pending_requests, what_is_given_up_expires_at_once_with_the_reason)
{
    add("a", 60'000);
    add("b", 70'000);
    pending->give_up("down");
    CHECK(expired.empty()); // not from within
    CHECK(loop.run_until([&] { return expired.size() == 2; }));
    STRCMP_EQUAL("down", expired[0].refusal.c_str());
    add("c", 60'000);
    loop.turn(1);
    UNSIGNED_LONGS_EQUAL(2, expired.size());
}

TEST_GROUP(breaker){};

TEST(breaker, it_opens_at_failures_in_a_row_and_closes_at_the_first_success)
{
    Breaker breaker(3);
    CHECK_FALSE(breaker.failed());
    CHECK_FALSE(breaker.failed());
    CHECK_FALSE(breaker.succeeded());
    CHECK_FALSE(breaker.failed());
    CHECK_FALSE(breaker.failed());
    CHECK_FALSE(breaker.open());
    CHECK(breaker.failed());
    CHECK(breaker.open());
    CHECK_FALSE(breaker.failed()); // it was open already
    CHECK(breaker.succeeded());
    CHECK_FALSE(breaker.open());
}

TEST(breaker, no_failures_allowed_means_that_the_first_one_opens_it)
{
    Breaker breaker(0);
    CHECK(breaker.failed());
}
