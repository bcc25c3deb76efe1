#include "core/log_limiter.h"

#include <CppUTest/TestHarness.h>

using proxymap::Log_limiter;

TEST_GROUP(log_limiter)
{
    Log_limiter limiter{60'000};
    std::uint64_t suppressed = 0;
};

TEST(log_limiter, the_first_line_of_a_cause_passes_and_the_next_waits_a_minute)
{
    CHECK_TRUE(limiter.allow("down", 1000, &suppressed));
    CHECK_FALSE(limiter.allow("down", 1001, &suppressed));
    CHECK_FALSE(limiter.allow("down", 60'999, &suppressed));
    CHECK_TRUE(limiter.allow("down", 61'000, &suppressed));
    LONGS_EQUAL(2, suppressed);
}

TEST(log_limiter, causes_do_not_hold_each_other_back)
{
    CHECK_TRUE(limiter.allow("down", 0, &suppressed));
    CHECK_TRUE(limiter.allow("seal", 0, &suppressed));
}

TEST(log_limiter, many_causes_are_bounded_and_forgotten_later)
{
    unsigned logged = 0;
    for (int i = 0; i < 1000; i++)
        logged += limiter.allow("cause " + std::to_string(i), 5, &suppressed) ? 1 : 0;
    LONGS_EQUAL(64, logged);
    CHECK_TRUE(limiter.allow("a new one", 5 + 120'000, &suppressed));
}
