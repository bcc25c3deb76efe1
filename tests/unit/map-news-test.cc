// What a process knows of the map as a whole.
#include "store/map_news.h"

#include <string>

#include <CppUTest/TestHarness.h>

using namespace proxymap;

TEST_GROUP(map_news)
{
    Map_news news;
    unsigned told = 0;
    Journal_entry changes;
    const Key joe{Kind::user, "joe"};

    void setup() override
    {
        news.listen([this](const Journal_entry &given, const Position &to) {
            CHECK(to == news.position());
            told++;
            changes = given;
        });
    }

    bool reach(const Position &to, const Position &from = {})
    {
        return news.advance({from, to, {false, {joe}}});
    }
};

TEST(map_news, the_first_position_is_taken_and_anything_may_have_changed_until_then)
{
    CHECK_FALSE(news.position().known());
    CHECK(reach({7, 1, 5}));
    CHECK(news.position() == (Position{7, 1, 5}));
    UNSIGNED_LONGS_EQUAL(1, told);
    CHECK(changes.reset);
}

TEST(map_news, a_step_from_what_is_known_names_what_changed)
{
    CHECK(reach({7, 1, 5}));
    CHECK(reach({7, 1, 7}, {7, 1, 5}));
    UNSIGNED_LONGS_EQUAL(2, told);
    CHECK_FALSE(changes.reset);
    CHECK(changes.keys == std::vector<Key>{joe});
    CHECK(reach({7, 1, 9}, {7, 1, 6})); // from before: names more than is new
    CHECK_FALSE(changes.reset);
}

TEST(map_news, a_step_that_leaves_a_gap_is_a_reset)
{
    CHECK(reach({7, 1, 5}));
    CHECK(reach({7, 1, 9}, {7, 1, 6}));
    CHECK(changes.reset);
    CHECK(reach({7, 1, 10}));
    CHECK(changes.reset);
}

TEST(map_news, the_same_position_is_no_news)
{
    CHECK(reach({7, 1, 5}));
    CHECK(reach({7, 1, 5}, {7, 1, 4}));
    UNSIGNED_LONGS_EQUAL(1, told);
}

TEST(map_news, what_is_behind_is_not_taken)
{
    CHECK(reach({7, 1, 6}));
    CHECK_FALSE(reach({7, 1, 5}));
    CHECK(news.position() == (Position{7, 1, 6}));
    UNSIGNED_LONGS_EQUAL(1, told);
    CHECK_FALSE(news.why_not_read({7, 1, 5}).empty());
    CHECK(news.why_not_read({7, 1, 6}).empty());
}

TEST(map_news, a_higher_epoch_beats_any_sequence)
{
    CHECK(reach({7, 1, 500}));
    CHECK(reach({7, 2, 1}));
    CHECK_FALSE(reach({7, 1, 501}));
}

TEST(map_news, another_table_is_never_taken)
{
    CHECK(reach({7, 1, 5}));
    CHECK_FALSE(reach({8, 9, 9}));
    CHECK(news.position() == (Position{7, 1, 5}));
    CHECK_FALSE(news.why_not_read({8, 9, 9}).empty());
}

TEST(map_news, an_unknown_position_is_never_taken)
{
    CHECK_FALSE(reach({}));
    CHECK_FALSE(reach({0, 5, 5}));
    CHECK_FALSE(news.position().known());
}

TEST(map_news, a_map_without_a_position_needs_no_confirmation)
{
    CHECK(news.confirmed(1000));
    CHECK(reach({7, 1, 5}));
    CHECK_FALSE(news.confirmed(1000));
}

TEST(map_news, a_position_is_confirmed_for_so_long_by_whoever_stands_there)
{
    CHECK(reach({7, 1, 5}));
    news.confirm({7, 1, 5}, 1000);
    CHECK(news.confirmed(1000));
    CHECK(news.confirmed(1000 + confirmed_for_ms - 1));
    CHECK_FALSE(news.confirmed(1000 + confirmed_for_ms));
    news.confirm({7, 1, 4}, 5000); // behind: it confirms nothing
    CHECK_FALSE(news.confirmed(1000 + confirmed_for_ms));
    news.confirm({7, 1, 5}, 5000);
    news.confirm({7, 1, 5}, 2000); // a reply that was asked for earlier, and came later
    CHECK(news.confirmed(5000 + confirmed_for_ms - 1));
}
