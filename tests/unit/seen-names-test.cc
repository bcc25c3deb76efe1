// The names of a routes file so far.
#include "core/seen_names.h"

#include <string>

#include <CppUTest/TestHarness.h>

using namespace proxymap;

TEST_GROUP(seen_names){};

TEST(seen_names, a_new_name_has_no_earlier_line)
{
    Seen_names names;
    LONGS_EQUAL(0, names.add(Kind::user, "joe", 1));
    LONGS_EQUAL(0, names.add(Kind::user, "john", 2));
}

TEST(seen_names, a_name_seen_before_gives_its_first_line)
{
    Seen_names names;
    names.add(Kind::user, "joe", 7);
    LONGS_EQUAL(7, names.add(Kind::user, "joe", 9));
    LONGS_EQUAL(7, names.add(Kind::user, "joe", 11));
}

TEST(seen_names, kinds_are_apart)
{
    Seen_names names;
    names.add(Kind::user, "b1", 1);
    CHECK(!names.contains(Kind::backend, "b1"));
    LONGS_EQUAL(0, names.add(Kind::backend, "b1", 2));
    CHECK(names.contains(Kind::backend, "b1"));
}

TEST(seen_names, nothing_is_contained_at_first)
{
    CHECK(!Seen_names().contains(Kind::user, "joe"));
}

TEST(seen_names, all_of_many_are_kept_apart)
{
    constexpr std::uint64_t count = 20'000;
    Seen_names names;
    for (std::uint64_t i = 1; i <= count; i++) {
        LONGS_EQUAL(0, names.add(Kind::user, "user" + std::to_string(i), i));
    }
    for (std::uint64_t i = 1; i <= count; i++) {
        LONGS_EQUAL(i, names.add(Kind::user, "user" + std::to_string(i), count + i));
    }
    CHECK(!names.contains(Kind::user, "user0"));
}

TEST(seen_names, the_longest_name_is_kept_whole)
{
    Seen_names names;
    const std::string name(max_name_bytes - 1, 'a');
    names.add(Kind::user, name + "b", 1);
    CHECK(!names.contains(Kind::user, name + "c"));
    CHECK(names.contains(Kind::user, name + "b"));
}
