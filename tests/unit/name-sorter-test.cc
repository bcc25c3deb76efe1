// Names in the order of the table, in bounded memory.
#include "core/name_sorter.h"

#include <algorithm>
#include <string>
#include <vector>

#include <CppUTest/TestHarness.h>

using namespace proxymap;

namespace {

std::vector<std::string> walk(Name_sorter &names)
{
    std::vector<std::string> out;
    CHECK(names.rewind().ok());
    for (;;) {
        const auto next = names.next();
        CHECK(next.ok());
        if (*next == nullptr) {
            return out;
        }
        const auto &entry = **next;
        CHECK(entry.order == table_order(entry.kind, entry.name));
        out.push_back(std::string(to_string(entry.kind)) + " " + std::string(entry.name) + " " +
                      std::to_string(entry.line));
    }
}

} // namespace

TEST_GROUP(name_sorter){};

TEST(name_sorter, without_names_there_is_none)
{
    Name_sorter names;
    LONGS_EQUAL(0, walk(names).size());
}

TEST(name_sorter, names_come_by_kind_then_key_then_line)
{
    Name_sorter names;
    CHECK(names.add(Kind::default_route, "*", 1).ok());
    CHECK(names.add(Kind::user, "b", 2).ok());
    CHECK(names.add(Kind::domain, "a", 3).ok());
    CHECK(names.add(Kind::user, "a b", 4).ok());
    CHECK(names.add(Kind::user, "a", 5).ok());
    CHECK(names.add(Kind::backend, "z", 6).ok());
    CHECK(names.add(Kind::user, "a", 1).ok());
    const std::vector<std::string> wanted = {"backend z 6", "user a 1", "user a 5",
                                             "user a b 4",  "user b 2", "domain a 3",
                                             "default * 1"};
    CHECK(walk(names) == wanted);
    CHECK(walk(names) == wanted);
}

TEST(name_sorter, what_does_not_fit_into_memory_comes_out_the_same)
{
    Name_sorter big;
    Name_sorter small(1000);
    std::uint64_t number = 1;
    for (std::uint64_t line = 1; line <= 20'000; line++) {
        number = number * 6364136223846793005U + 1442695040888963407U;
        const auto name = "user" + std::to_string(number >> 50U) +
                          std::string(number >> 61U == 0 ? 400 : 0, 'x'); // some with hashed keys
        CHECK(big.add(Kind::user, name, line).ok());
        CHECK(small.add(Kind::user, name, line).ok());
    }
    const auto wanted = walk(big);
    LONGS_EQUAL(20'000, wanted.size());
    CHECK(walk(small) == wanted);
    CHECK(walk(small) == wanted);
}

TEST(name_sorter, the_longest_names_are_kept_whole)
{
    Name_sorter names(600);
    const std::string name(max_name_bytes - 1, 'a');
    for (const char *end : {"c", "b", "a", "c"}) {
        CHECK(names.add(Kind::user, name + end, 1).ok());
    }
    auto out = walk(names);
    LONGS_EQUAL(4, out.size());
    std::sort(out.begin(), out.end());
    STRCMP_EQUAL(("user " + name + "a 1").c_str(), out[0].c_str());
    STRCMP_EQUAL(("user " + name + "c 1").c_str(), out[3].c_str());
}

TEST(name_sorter, one_name_out_of_order_is_put_where_it_belongs)
{
    const std::string letters = "abcdefgh";
    for (const char late : letters) {
        Name_sorter names;
        std::vector<std::string> wanted;
        for (const char letter : letters) {
            wanted.push_back(std::string("user ") + letter + " 1");
            CHECK(letter == late || names.add(Kind::user, {&letter, 1}, 1).ok());
        }
        CHECK(names.add(Kind::user, {&late, 1}, 1).ok());
        CHECK(walk(names) == wanted);
    }
}
