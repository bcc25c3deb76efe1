// Records in the order of the table, in bounded memory.
#include "core/record_sorter.h"

#include <algorithm>
#include <string>
#include <vector>

#include <CppUTest/TestHarness.h>

using namespace proxymap;

namespace {

Record record(Kind kind, const std::string &name)
{
    return {kind, name, {{Field_id::host, Service::any, "", "of-" + name}}, {}};
}

std::vector<std::string> walk(Record_sorter &records)
{
    std::vector<std::string> out;
    CHECK(records.rewind().ok());
    for (;;) {
        const auto next = records.next();
        CHECK(next.ok());
        if (*next == nullptr) {
            return out;
        }
        const auto &entry = **next;
        CHECK(entry.order == table_order(entry.kind, entry.name));
        CHECK(entry.text == format_record(record(entry.kind, std::string(entry.name))));
        out.push_back(std::string(to_string(entry.kind)) + " " + std::string(entry.name) + " " +
                      std::to_string(entry.line));
    }
}

} // namespace

TEST_GROUP(record_sorter){};

TEST(record_sorter, without_records_there_is_none)
{
    Record_sorter records;
    LONGS_EQUAL(0, walk(records).size());
}

TEST(record_sorter, records_come_by_kind_then_key_then_line)
{
    Record_sorter records;
    CHECK(records.add(record(Kind::default_route, "*"), 1).ok());
    CHECK(records.add(record(Kind::user, "b"), 2).ok());
    CHECK(records.add(record(Kind::domain, "a"), 3).ok());
    CHECK(records.add(record(Kind::user, "a b"), 4).ok());
    CHECK(records.add(record(Kind::user, "a"), 5).ok());
    CHECK(records.add(record(Kind::backend, "z"), 6).ok());
    CHECK(records.add(record(Kind::user, "a"), 1).ok());
    const std::vector<std::string> wanted = {"backend z 6", "user a 1", "user a 5",
                                             "user a b 4",  "user b 2", "domain a 3",
                                             "default * 1"};
    CHECK(walk(records) == wanted);
    CHECK(walk(records) == wanted);
}

TEST(record_sorter, what_does_not_fit_into_memory_comes_out_the_same)
{
    Record_sorter big;
    Record_sorter small(1000);
    std::uint64_t number = 1;
    for (std::uint64_t line = 1; line <= 20'000; line++) {
        number = number * 6364136223846793005U + 1442695040888963407U;
        const auto name = "user" + std::to_string(number >> 50U) +
                          std::string(number >> 61U == 0 ? 400 : 0, 'x'); // some with hashed keys
        CHECK(big.add(record(Kind::user, name), line).ok());
        CHECK(small.add(record(Kind::user, name), line).ok());
    }
    const auto wanted = walk(big);
    LONGS_EQUAL(20'000, wanted.size());
    CHECK(walk(small) == wanted);
    CHECK(walk(small) == wanted);
}

TEST(record_sorter, the_longest_names_are_kept_whole)
{
    Record_sorter records(600);
    const std::string name(max_name_bytes - 1, 'a');
    for (const char *end : {"c", "b", "a", "c"}) {
        CHECK(records.add(record(Kind::user, name + end), 1).ok());
    }
    auto out = walk(records);
    LONGS_EQUAL(4, out.size());
    std::sort(out.begin(), out.end());
    STRCMP_EQUAL(("user " + name + "a 1").c_str(), out[0].c_str());
    STRCMP_EQUAL(("user " + name + "c 1").c_str(), out[3].c_str());
}

TEST(record_sorter, one_name_out_of_order_is_put_where_it_belongs)
{
    const std::string letters = "abcdefgh";
    for (const char late : letters) {
        Record_sorter records;
        std::vector<std::string> wanted;
        for (const char letter : letters) {
            wanted.push_back(std::string("user ") + letter + " 1");
            CHECK(letter == late || records.add(record(Kind::user, {&letter, 1}), 1).ok());
        }
        CHECK(records.add(record(Kind::user, {&late, 1}), 1).ok());
        CHECK(walk(records) == wanted);
    }
}
