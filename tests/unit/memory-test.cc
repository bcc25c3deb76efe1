// What core and the stores take of the process's memory, and what they do under a limit of it. A
// program of its own, which the sanitizers are kept out of: their memory is another.
#include "cache_contents.h"
#include "poll_loop.h"
#include "store_asking.h"
#include "table_folder.h"

#include <malloc.h>
#include <sys/resource.h>

#include <memory>
#include <string>
#include <vector>

#include <CppUTest/TestHarness.h>

using namespace proxymap;
using cache_contents::limits;
using cache_contents::number_name;
using cache_contents::record;
using store_asking::ask_one;

namespace {

constexpr std::uint64_t now = 1'000'000;

std::size_t in_use()
{
    const auto heap = mallinfo2();
    return heap.uordblks + heap.hblkhd;
}

} // namespace

TEST_GROUP(memory){};

TEST(memory, a_cached_route_takes_less_than_100_bytes)
{
    constexpr unsigned users = 1'000'000;
    std::vector<Record_ref> backends;
    for (unsigned i = 0; i < 100; ++i)
        backends.push_back(record("backend" + std::to_string(i) + ".example.com"));
    const std::size_t before = in_use();
    Cache cache(limits(128U << 20U));
    for (unsigned i = 0; i < users; ++i)
        cache.put_found(Kind::user, number_name("user", i), backends[i % backends.size()], now);
    const std::size_t taken = in_use() - before;
    const std::uint64_t told = cache.stats().bytes;
    LONGS_EQUAL(users, cache.stats().found_entries);
    CHECK(taken <= users * 100ULL);
    CHECK(taken < told * 101 / 100 && taken > told * 99 / 100);
}

TEST(memory, own_fields_and_long_names_are_in_the_bytes_that_the_cache_tells)
{
    const std::size_t before = in_use();
    Cache cache(limits(64U << 20U));
    for (unsigned i = 0; i < 50'000; ++i) {
        const std::string name = number_name("a-name-that-is-longer-than-most-", i);
        cache.put_found(Kind::user, name, record("b1", name), now);
    }
    const std::size_t taken = in_use() - before;
    const std::uint64_t told = cache.stats().bytes;
    LONGS_EQUAL(50'000, cache.stats().found_entries);
    CHECK(taken < told * 101 / 100 && taken > told * 99 / 100);
}

TEST(memory, a_map_that_does_not_fit_says_which_setting_to_change)
{
    const Table_folder folder;
    STRCMP_EQUAL("", in_child([&] {
                         return write_lines(folder.config("table"), {"user john backend=b1"});
                     }).c_str());
    const std::string why = in_child([&] {
        const struct rlimit limit {
            256U << 20U, 256U << 20U
        };
        if (setrlimit(RLIMIT_AS, &limit) < 0)
            return std::string("no setrlimit");
        Poll_loop loop;
        Map_news news;
        auto config = folder.config("table");
        config.max_size = 1U << 30U;
        const auto store = make_lmdb_store(config, loop, news);
        return ask_one(*store, loop, {Kind::user, "john"}).why;
    });
    const std::string expected = "lmdb table " + folder.path() +
                                 "/data.mdb needs a map of 1024M, but this process may use only "
                                 "256M of address space: set `service auth { vsz_limit = 1152M }` "
                                 "or a table_max_size of at most 128M";
    STRCMP_EQUAL(expected.c_str(), why.c_str());
}
