// What the answers of a mirror are worth.
#include "store/mirror_proof.h"

#include <string>

#include <CppUTest/TestHarness.h>

using namespace proxymap;

TEST_GROUP(mirror_proof)
{
    Map_news news;
    const Marker good{{7, 1, 10}, Mirror_state::complete};

    static Batch batch(const std::optional<Marker> &before, const std::optional<Marker> &after)
    {
        Batch made;
        made.marker_before = before;
        made.marker_after = after;
        made.keeps_everything = true;
        return made;
    }
    void check_proven(const Batch &given)
    {
        const auto verdict = judge_mirror(given, false, news);
        STRCMP_EQUAL("", verdict.unreadable.c_str());
        STRCMP_EQUAL("", verdict.unproven.c_str());
    }
    void check_unproven(const Batch &given, bool require_seal = false)
    {
        const auto verdict = judge_mirror(given, require_seal, news);
        STRCMP_EQUAL("", verdict.unreadable.c_str());
        CHECK(!verdict.unproven.empty());
    }
    void check_unreadable(const Batch &given)
    {
        CHECK(!judge_mirror(given, false, news).unreadable.empty());
    }
};

TEST(mirror_proof, two_equal_complete_markers_of_a_server_that_keeps_everything_prove)
{
    check_proven(batch(good, good));
    CHECK(news.position() == good.position);
    check_proven(batch(good, good));
}

TEST(mirror_proof, each_part_of_the_proof_is_needed)
{
    check_unproven(batch(std::nullopt, std::nullopt));
    check_unproven(batch(good, std::nullopt));
    check_unproven(batch(std::nullopt, good));
    check_unreadable(batch(good, Marker{{7, 1, 11}, Mirror_state::complete}));
    check_unreadable(batch(good, Marker{good.position, Mirror_state::loading}));
    check_unproven(batch(Marker{good.position, Mirror_state::loading},
                         Marker{good.position, Mirror_state::loading}));
    CHECK(!news.position().known()); // none of them has shown a position
    auto evicting = batch(good, good);
    evicting.keeps_everything = false;
    check_unproven(evicting);
    check_unproven(batch(good, good), true);
}

TEST(mirror_proof, a_marker_that_is_behind_or_foreign_makes_it_unreadable_on_either_side)
{
    CHECK(news.advance({{}, {7, 2, 5}, {}}));
    const Marker current{{7, 2, 5}, Mirror_state::complete};
    for (const Marker &bad :
         {Marker{{7, 2, 4}, Mirror_state::complete}, Marker{{7, 1, 99}, Mirror_state::complete},
          Marker{{8, 2, 5}, Mirror_state::complete}, Marker{{7, 2, 4}, Mirror_state::loading}}) {
        check_unreadable(batch(bad, bad));
        check_unreadable(batch(current, bad));
        check_unreadable(batch(bad, current));
        check_unreadable(batch(bad, std::nullopt));
        check_unreadable(batch(std::nullopt, bad));
    }
    CHECK(news.position() == current.position);
}

TEST(mirror_proof, nothing_is_read_of_a_mirror_that_is_being_brought_up)
{
    const Marker behind{good.position, Mirror_state::behind};
    for (const auto &other :
         {std::optional<Marker>(), std::optional<Marker>(good), std::optional<Marker>(behind)}) {
        check_unreadable(batch(behind, other));
        check_unreadable(batch(other, behind));
    }
    CHECK(!news.position().known());
}

TEST(mirror_proof, a_marker_that_is_not_understood_makes_it_unreadable)
{
    auto given = batch(good, good);
    given.marker_unreadable = true;
    check_unreadable(given);
    CHECK(!news.position().known());
}

TEST(mirror_proof, an_evicting_mirror_still_shows_that_another_is_behind)
{
    auto evicting = batch(good, good);
    evicting.keeps_everything = false;
    check_unproven(evicting);
    check_unreadable(batch(Marker{{7, 1, 9}, Mirror_state::complete},
                           Marker{{7, 1, 9}, Mirror_state::complete}));
}
