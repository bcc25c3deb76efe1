// The cache as a specification: what is held, for how long, and who must go.
#include "cache_contents.h"

#include "core/cache.h"

#include <algorithm>
#include <cstdio>
#include <map>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include <CppUTest/TestHarness.h>

using namespace proxymap;
using cache_contents::limits;
using cache_contents::number_name;
using cache_contents::record;

namespace {

constexpr std::uint64_t mega = 1ULL << 20U;
constexpr std::uint64_t now = 1'000'000;

// What find() says, as text: "missing", "found b1", "found b1 joe", "nothing".
std::string look(Cache &cache, Kind kind, const std::string &name, std::uint64_t at = now)
{
    Cache_hit hit;
    if (!cache.find(kind, name, at, &hit))
        return "nothing";
    if (hit.outcome == Outcome::missing)
        return hit.record == nullptr ? "missing" : "missing, with a record";
    CHECK(hit.record->kind == kind);
    std::string text = "found";
    for (const Record_field &field : hit.record->fields)
        text += " " + field.value;
    return text;
}

std::string age(Cache &cache, const std::string &name, std::uint64_t at)
{
    Cache_hit hit;
    if (!cache.find(Kind::user, name, at, &hit))
        return "gone";
    if (hit.age == Age::fresh)
        return "fresh";
    return hit.age == Age::stale ? "stale" : "refresh";
}

void check_text(const std::string &expected, const std::string &actual)
{
    STRCMP_EQUAL(expected.c_str(), actual.c_str());
}

// How many found entries a cache of 1 MB holds.
unsigned capacity(bool own_fields)
{
    Cache cache(limits(mega));
    for (unsigned i = 0; i < 20'000; ++i) {
        const std::string name = number_name("user", i);
        cache.put_found(Kind::user, name, record("b1", own_fields ? name : ""), now);
    }
    return static_cast<unsigned>(cache.stats().found_entries);
}

std::uint64_t same_hash(const Hash_key &, std::string_view)
{
    return 4711;
}

std::uint64_t few_hashes(const Hash_key &, std::string_view bytes)
{
    return bytes.size() % 3;
}

// CppUTest's own new and delete take memory and time for each block; here both are looked at.
class Plain_memory : public Utest {
  public:
    void setup() override { MemoryLeakWarningPlugin::saveAndDisableNewDeleteOverloads(); }
    void teardown() override { MemoryLeakWarningPlugin::restoreNewDeleteOverloads(); }
};

} // namespace

TEST_GROUP_BASE(cache, Plain_memory){};

TEST(cache, gives_back_what_was_put)
{
    Cache cache(limits(mega));
    cache.put_found(Kind::user, "john", record("b1"), now);
    cache.put_missing(Kind::user, "joe", now);
    check_text("found b1", look(cache, Kind::user, "john"));
    check_text("missing", look(cache, Kind::user, "joe"));
    check_text("nothing", look(cache, Kind::user, "jim"));
    LONGS_EQUAL(1, cache.stats().found_entries);
    LONGS_EQUAL(1, cache.stats().missing_entries);
    LONGS_EQUAL(2, cache.stats().hits);
    LONGS_EQUAL(1, cache.stats().misses);
}

TEST(cache, kinds_are_apart)
{
    Cache cache(limits(mega));
    cache.put_found(Kind::user, "x", record("b1"), now);
    cache.put_found(Kind::domain, "x", record("b2"), now);
    cache.put_missing(Kind::backend, "x", now);
    check_text("found b1", look(cache, Kind::user, "x"));
    check_text("found b2", look(cache, Kind::domain, "x"));
    check_text("missing", look(cache, Kind::backend, "x"));
    check_text("nothing", look(cache, Kind::default_route, "x"));
}

TEST(cache, a_name_is_any_bytes_compared_whole)
{
    Cache cache(limits(mega));
    const std::string with_nul("a\0b", 3);
    const std::string long_name(max_name_bytes, 'x');
    cache.put_found(Kind::user, with_nul, record("b1"), now);
    cache.put_found(Kind::user, long_name, record("b2"), now);
    cache.put_found(Kind::user, "", record("b3"), now);
    check_text("found b1", look(cache, Kind::user, with_nul));
    check_text("nothing", look(cache, Kind::user, "a"));
    check_text("found b2", look(cache, Kind::user, long_name));
    check_text("nothing", look(cache, Kind::user, long_name.substr(1)));
    check_text("found b3", look(cache, Kind::user, ""));
}

TEST(cache, names_around_the_length_that_fits_an_entry_are_held)
{
    Cache cache(limits(mega));
    for (std::size_t size = 20; size < 40; ++size)
        cache.put_found(Kind::user, std::string(size, 'n'), record(std::to_string(size)), now);
    for (std::size_t size = 20; size < 40; ++size)
        check_text("found " + std::to_string(size),
                   look(cache, Kind::user, std::string(size, 'n')));
}

TEST(cache, a_name_that_is_too_long_for_a_record_is_not_held)
{
    Cache cache(limits(mega));
    const std::string name(max_name_bytes + 1, 'x');
    cache.put_found(Kind::user, name, record("b1"), now);
    cache.put_missing(Kind::user, name, now);
    check_text("nothing", look(cache, Kind::user, name));
}

TEST(cache, a_record_comes_back_without_name_and_position_as_equal_ones_share_it)
{
    Cache cache(limits(mega));
    cache.put_found(Kind::user, "john", record("b1"), now);
    cache.put_found(Kind::user, "joe", record("b1"), now);
    cache.put_found(Kind::domain, "john", record("b1"), now);
    Cache_hit john, joe, domain;
    CHECK(cache.find(Kind::user, "john", now, &john));
    CHECK(cache.find(Kind::user, "joe", now, &joe));
    CHECK(cache.find(Kind::domain, "john", now, &domain));
    POINTERS_EQUAL(john.record, joe.record);
    CHECK(john.record->kind == Kind::user && domain.record->kind == Kind::domain);
    CHECK(john.record->name.empty() && !john.record->position.known());
}

TEST(cache, records_that_differ_in_any_part_are_not_shared)
{
    Cache cache(limits(mega));
    const std::vector<Record_field> all = {{Field_id::host, Service::any, "", "v"},
                                           {Field_id::port, Service::any, "", "v"},
                                           {Field_id::port, Service::imap, "", "v"},
                                           {Field_id::forward_prefix, Service::any, "a", "v"},
                                           {Field_id::forward_prefix, Service::any, "b", "v"},
                                           {Field_id::host, Service::any, "", "w"}};
    for (std::size_t i = 0; i < all.size(); ++i) {
        const Record one{.kind = Kind::user, .name = {}, .fields = {all[i]}, .position = {}};
        cache.put_found(Kind::user, std::to_string(i), std::make_shared<const Record>(one), now);
    }
    for (std::size_t i = 0; i < all.size(); ++i) {
        Cache_hit hit;
        CHECK(cache.find(Kind::user, std::to_string(i), now, &hit));
        CHECK(hit.record->fields == std::vector<Record_field>{all[i]});
    }
}

TEST(cache, a_found_record_replaces_a_missing_one_and_the_other_way_round)
{
    Cache cache(limits(mega));
    cache.put_missing(Kind::user, "john", now);
    cache.put_found(Kind::user, "john", record("b1"), now);
    check_text("found b1", look(cache, Kind::user, "john"));
    LONGS_EQUAL(1, cache.stats().found_entries);
    LONGS_EQUAL(0, cache.stats().missing_entries);
    cache.put_missing(Kind::user, "john", now);
    check_text("missing", look(cache, Kind::user, "john"));
    LONGS_EQUAL(0, cache.stats().found_entries);
    LONGS_EQUAL(1, cache.stats().missing_entries);
}

TEST(cache, a_moved_user_is_found_at_the_new_backend_alone)
{
    Cache cache(limits(mega));
    cache.put_found(Kind::user, "john", record("b1"), now);
    cache.put_found(Kind::user, "joe", record("b1"), now);
    cache.put_found(Kind::user, "john", record("b2"), now);
    check_text("found b2", look(cache, Kind::user, "john"));
    check_text("found b1", look(cache, Kind::user, "joe"));
    LONGS_EQUAL(2, cache.stats().found_entries);
}

TEST(cache, what_is_dropped_is_gone_even_as_stale)
{
    Cache cache(limits(mega));
    cache.put_found(Kind::user, "john", record("b1"), now);
    cache.put_missing(Kind::user, "joe", now);
    cache.drop(Kind::user, "john");
    cache.drop(Kind::user, "joe");
    cache.drop(Kind::user, "never-there");
    check_text("nothing", look(cache, Kind::user, "john", now + 5000));
    check_text("nothing", look(cache, Kind::user, "joe", now + 5000));
    LONGS_EQUAL(0, cache.stats().found_entries + cache.stats().missing_entries);
}

TEST(cache, no_record_at_all_is_not_taken_for_missing)
{
    Cache cache(limits(mega));
    cache.put_found(Kind::user, "john", record("b1"), now);
    cache.put_found(Kind::user, "john", nullptr, now);
    check_text("nothing", look(cache, Kind::user, "john"));
}

TEST(cache, clear_empties_it_and_gives_the_memory_back)
{
    Cache cache(limits(16 * mega));
    const std::uint64_t empty = cache.stats().bytes;
    for (unsigned i = 0; i < 10'000; ++i) {
        cache.put_found(Kind::user, number_name("long-name-of-some-user-", i),
                        record("b1", number_name("d", i)), now);
        cache.put_missing(Kind::user, number_name("m", i), now);
        look(cache, Kind::user, number_name("m", i % 10));
        look(cache, Kind::user, number_name("long-name-of-some-user-", i % 10));
    }
    CHECK(cache.stats().bytes > 4 * mega);
    cache.clear();
    CHECK(cache.stats().bytes < empty + 100'000);
    check_text("nothing", look(cache, Kind::user, number_name("m", 1)));
    cache.put_found(Kind::user, "john", record("b1"), now);
    check_text("found b1", look(cache, Kind::user, "john"));
}

TEST(cache, what_is_dropped_gives_its_memory_back)
{
    Cache cache(limits(16 * mega));
    const std::uint64_t empty = cache.stats().bytes;
    const std::string padding(200, 'p');
    for (unsigned i = 0; i < 10'000; ++i)
        cache.put_found(Kind::user, number_name("user", i) + padding, record("b1", padding), now);
    CHECK(cache.stats().bytes > 2 * mega);
    for (unsigned i = 0; i < 10'000; ++i)
        cache.drop(Kind::user, number_name("user", i) + padding);
    CHECK(cache.stats().bytes < empty + 100'000);
}

TEST(cache, records_of_earlier_finds_stay_valid_through_later_ones)
{
    Cache cache(limits(mega));
    cache.put_found(Kind::user, "john", record("b1"), now);
    Cache_hit hit;
    CHECK(cache.find(Kind::user, "john", now, &hit));
    for (unsigned i = 0; i < 1000; ++i)
        look(cache, Kind::user, i % 2 == 0 ? "john" : "joe", now + i * 1000);
    STRCMP_EQUAL("b1", hit.record->fields.at(0).value.c_str());
}

// ------------------------------------------------------------------------------------- ages

TEST(cache, after_a_revalidation_all_is_stale_and_nothing_is_gone)
{
    Cache cache(limits(mega));
    cache.put_found(Kind::user, "john", record("b1"), now);
    cache.put_missing(Kind::user, "joe", now);
    cache.revalidate(now);
    check_text("stale", age(cache, "john", now));
    check_text("stale", age(cache, "joe", now));
    Cache_hit hit;
    CHECK_TRUE(cache.find(Kind::user, "john", now, &hit));
    CHECK_TRUE(hit.outdated);
    cache.put_found(Kind::user, "john", record("b1"), now); // in the same millisecond
    check_text("fresh", age(cache, "john", now));
    CHECK_TRUE(cache.find(Kind::user, "john", now, &hit));
    CHECK_FALSE(hit.outdated);
    cache.revalidate(now); // and once more
    check_text("stale", age(cache, "john", now));
}

TEST(cache, a_found_record_is_fresh_then_stale_then_gone)
{
    Cache cache(limits(mega));
    cache.put_found(Kind::user, "john", record("b1"), now);
    check_text("fresh", age(cache, "john", now));
    check_text("fresh", age(cache, "john", now + 899));
    check_text("stale", age(cache, "john", now + 1000));
    check_text("stale", age(cache, "john", now + 19'999));
    check_text("gone", age(cache, "john", now + 20'000));
}

TEST(cache, a_missing_one_is_fresh_for_its_own_time_and_is_never_refreshed_ahead)
{
    Cache cache(limits(mega));
    cache.put_missing(Kind::user, "joe", now);
    check_text("fresh", age(cache, "joe", now + 95));
    check_text("fresh", age(cache, "joe", now + 99));
    check_text("stale", age(cache, "joe", now + 100));
    check_text("stale", age(cache, "joe", now + 19'999));
    check_text("gone", age(cache, "joe", now + 20'000));
}

TEST(cache, the_age_is_told_in_milliseconds)
{
    Cache cache(limits(mega));
    cache.put_found(Kind::user, "john", record("b1"), now);
    Cache_hit hit;
    CHECK(cache.find(Kind::user, "john", now + 1234, &hit));
    LONGS_EQUAL(1234, hit.age_ms);
    CHECK(cache.find(Kind::user, "john", now - 1, &hit)); // a clock that is not, is not worse
    LONGS_EQUAL(0, hit.age_ms);
}

TEST(cache, one_login_in_the_last_tenth_refreshes_and_not_all)
{
    Cache cache(limits(mega));
    cache.put_found(Kind::user, "john", record("b1"), now);
    check_text("fresh", age(cache, "john", now + 899));
    check_text("refresh", age(cache, "john", now + 900));
    check_text("fresh", age(cache, "john", now + 901));
    check_text("fresh", age(cache, "john", now + 999));
}

TEST(cache, a_refresh_that_does_not_come_is_asked_for_again_after_5_s)
{
    Cache cache({.bytes = mega, .ttl = 100'000, .negative_ttl = 100, .stale_ttl = 200'000});
    cache.put_found(Kind::user, "john", record("b1"), now);
    check_text("refresh", age(cache, "john", now + 91'000));
    check_text("fresh", age(cache, "john", now + 95'999));
    check_text("refresh", age(cache, "john", now + 96'000));
    check_text("fresh", age(cache, "john", now + 96'001));
}

TEST(cache, a_refreshed_record_is_as_young_as_a_new_one)
{
    Cache cache(limits(mega));
    cache.put_found(Kind::user, "john", record("b1"), now);
    check_text("refresh", age(cache, "john", now + 950));
    cache.put_found(Kind::user, "john", record("b1"), now + 960);
    check_text("fresh", age(cache, "john", now + 960 + 899));
    check_text("refresh", age(cache, "john", now + 960 + 900));
    check_text("stale", age(cache, "john", now + 960 + 1000));
}

TEST(cache, times_are_right_after_more_than_49_days)
{
    const std::uint64_t day = 86'400'000;
    Cache cache({.bytes = mega, .ttl = 60 * day, .negative_ttl = 100, .stale_ttl = 120 * day});
    for (const std::uint64_t start :
         {std::uint64_t{0}, (std::uint64_t{1} << 32U) - 5, 4000 * day}) {
        cache.put_found(Kind::user, "john", record("b1"), start);
        check_text("fresh", age(cache, "john", start + 53 * day));
        check_text("refresh", age(cache, "john", start + 55 * day));
        check_text("stale", age(cache, "john", start + 60 * day));
        check_text("gone", age(cache, "john", start + 120 * day));
        cache.drop(Kind::user, "john");
    }
}

TEST(cache, a_stale_time_shorter_than_the_ttl_leaves_records_fresh_for_the_ttl)
{
    Cache cache({.bytes = mega, .ttl = 1000, .negative_ttl = 100, .stale_ttl = 500});
    cache.put_found(Kind::user, "john", record("b1"), now);
    check_text("fresh", age(cache, "john", now + 800));
    check_text("gone", age(cache, "john", now + 1000));
}

// ------------------------------------------------------------------------------------ floods

TEST(cache, a_flood_of_missing_names_pushes_out_no_found_record)
{
    Cache cache(limits(mega));
    for (unsigned i = 0; i < 5000; ++i)
        cache.put_found(Kind::user, number_name("user", i), record("b1"), now);
    for (unsigned i = 0; i < 100'000; ++i)
        cache.put_missing(Kind::user, number_name("random", i), now);
    for (unsigned i = 0; i < 5000; ++i)
        check_text("found b1", look(cache, Kind::user, number_name("user", i)));
    CHECK(cache.stats().evictions > 80'000);
}

TEST(cache, a_flood_of_missing_names_pushes_out_no_missing_one_that_was_used)
{
    Cache cache(limits(mega));
    for (unsigned i = 0; i < 5000; ++i)
        cache.put_found(Kind::user, number_name("user", i), record("b1"), now);
    for (unsigned i = 0; i < 1000; ++i) {
        cache.put_missing(Kind::user, number_name("by-domain", i), now);
        look(cache, Kind::user, number_name("by-domain", i));
    }
    for (unsigned i = 0; i < 100'000; ++i) {
        cache.put_missing(Kind::user, number_name("random", i), now);
    }
    for (unsigned i = 0; i < 1000; ++i)
        check_text("missing", look(cache, Kind::user, number_name("by-domain", i)));
}

TEST(cache, a_flood_of_long_names_pushes_out_no_protected_one_either)
{
    Cache cache(limits(mega));
    const std::string padding(480, 'p');
    for (unsigned i = 0; i < 1000; ++i) {
        cache.put_missing(Kind::user, number_name("by-domain", i), now);
        look(cache, Kind::user, number_name("by-domain", i));
    }
    for (unsigned i = 0; i < 20'000; ++i)
        cache.put_missing(Kind::user, number_name("random", i) + padding, now);
    for (unsigned i = 0; i < 1000; ++i)
        check_text("missing", look(cache, Kind::user, number_name("by-domain", i)));
}

TEST(cache, a_flood_of_records_found_once_pushes_out_no_protected_one)
{
    for (const bool own_fields : {false, true}) {
        Cache cache(limits(mega));
        for (unsigned i = 0; i < 1000; ++i) {
            const std::string name = number_name("user", i);
            cache.put_found(Kind::user, name, record("b1", own_fields ? name : ""), now);
            look(cache, Kind::user, name);
        }
        for (unsigned i = 0; i < 100'000; ++i) {
            const std::string name = number_name("once", i);
            cache.put_found(Kind::user, name, record("b2", own_fields ? "" : name), now);
        }
        for (unsigned i = 0; i < 1000; ++i)
            check_text(own_fields ? "found b1 " + number_name("user", i) : "found b1",
                       look(cache, Kind::user, number_name("user", i)));
        CHECK(cache.stats().evictions > 80'000);
    }
}

TEST(cache, a_protected_record_stays_so_when_it_is_written_anew)
{
    Cache cache(limits(mega));
    cache.put_found(Kind::user, "john", record("b1"), now);
    look(cache, Kind::user, "john");
    cache.put_found(Kind::user, "john", record("b2"), now);
    for (unsigned i = 0; i < 30'000; ++i)
        cache.put_found(Kind::user, number_name("once", i), record("b3"), now);
    check_text("found b2", look(cache, Kind::user, "john"));
}

TEST(cache, what_was_never_used_again_is_not_protected)
{
    Cache cache(limits(mega));
    cache.put_found(Kind::user, "john", record("b1"), now);
    for (unsigned i = 0; i < 30'000; ++i)
        cache.put_found(Kind::user, number_name("once", i), record("b3"), now);
    check_text("nothing", look(cache, Kind::user, "john"));
}

TEST(cache, users_of_today_take_the_place_of_those_of_yesterday)
{
    for (const bool own_fields : {false, true}) {
        Cache cache(limits(mega));
        const unsigned users = capacity(own_fields) * 9 / 10;
        std::mt19937 random(1);
        for (const char *day : {"yesterday", "today"}) {
            for (unsigned i = 0; i < 20 * users; ++i) {
                const std::string name = number_name(day, static_cast<unsigned>(random() % users));
                if (look(cache, Kind::user, name) == "nothing")
                    cache.put_found(Kind::user, name, record("b1", own_fields ? name : ""), now);
            }
        }
        unsigned held = 0;
        for (unsigned i = 0; i < users; ++i)
            held += look(cache, Kind::user, number_name("today", i)) != "nothing";
        CHECK(held > users * 8 / 10);
    }
}

TEST(cache, a_protected_record_that_was_used_since_is_spared_when_others_go)
{
    Cache cache(limits(mega));
    const unsigned users = capacity(false) * 9 / 10; // more than the protected part may keep
    for (unsigned i = 0; i < users; ++i) {
        const std::string name = number_name("user", i);
        cache.put_found(Kind::user, name, record("b1"), now);
        look(cache, Kind::user, name);
    }
    for (unsigned i = 0; i < 100; ++i) // the oldest ones
        look(cache, Kind::user, number_name("user", i));
    for (unsigned i = 0; i < 50'000; ++i)
        cache.put_found(Kind::user, number_name("once", i), record("b1"), now);
    for (unsigned i = 0; i < 100; ++i)
        check_text("found b1", look(cache, Kind::user, number_name("user", i)));
    check_text("nothing", look(cache, Kind::user, number_name("user", 100)));
}

TEST(cache, missing_names_use_the_room_that_found_ones_leave_and_give_it_back)
{
    Cache cache(limits(mega));
    for (unsigned i = 0; i < 20'000; ++i)
        cache.put_missing(Kind::user, number_name("by-domain", i), now);
    const std::uint64_t alone = cache.stats().missing_entries;
    CHECK(alone > 8000);
    for (unsigned i = 0; i < 20'000; ++i)
        cache.put_found(Kind::user, number_name("user", i), record("b1"), now);
    const Cache_stats stats = cache.stats();
    CHECK(stats.found_entries > alone * 6 / 8);
    CHECK(stats.missing_entries > alone / 9 && stats.missing_entries < alone / 6);
}

// --------------------------------------------------------------------------- the ceiling, memory

TEST(cache, a_ceiling_too_low_for_anything_holds_nothing)
{
    for (const std::uint64_t bytes : {0U, 1U, 65'536U, 131'072U}) {
        Cache cache(limits(bytes));
        cache.put_found(Kind::user, "john", record("b1"), now);
        cache.put_missing(Kind::user, "joe", now);
        check_text("nothing", look(cache, Kind::user, "john"));
        check_text("nothing", look(cache, Kind::user, "joe"));
    }
}

TEST(cache, a_record_too_big_for_the_cache_replaces_an_older_one_by_nothing)
{
    Cache cache(limits(256 * 1024));
    Record big{.kind = Kind::user, .name = "john", .fields = {}, .position = {}};
    for (unsigned i = 0; i < 200; ++i)
        big.fields.push_back(
            {Field_id::forward_prefix, Service::any, std::to_string(i), std::string(500, 'v')});
    cache.put_found(Kind::user, "john", record("b1"), now);
    cache.put_found(Kind::user, "joe", record("b1"), now);
    check_text("found b1", look(cache, Kind::user, "john"));
    cache.put_found(Kind::user, "john", std::make_shared<const Record>(big), now);
    check_text("nothing", look(cache, Kind::user, "john"));
    cache.put_found(Kind::user, "john", record("b1"), now);
    check_text("found b1", look(cache, Kind::user, "john"));
}

TEST(cache, a_record_shared_by_all_is_never_evicted_from_under_a_new_user)
{
    // One payload takes most of the found part, so making room meets what is about to be shared.
    Cache cache(limits(256 * 1024));
    Record big{.kind = Kind::user, .name = "john", .fields = {}, .position = {}};
    const std::uint64_t empty = cache.stats().bytes;
    Record_ref held;
    while (true) { // the biggest that can be held
        big.fields.push_back({Field_id::forward_prefix, Service::any, "x", std::string(90, 'v')});
        cache.clear();
        const auto bigger = std::make_shared<const Record>(big);
        cache.put_found(Kind::user, "john", bigger, now);
        if (cache.stats().found_entries == 0)
            break;
        held = bigger;
    }
    CHECK(held != nullptr && held->fields.size() > 50);
    for (unsigned i = 0; i < 100; ++i) {
        cache.put_found(Kind::user, number_name("user-with-a-long-name-", i), held, now);
        cache.put_found(Kind::user, std::string(500, 'n') + std::to_string(i), held, now);
        CHECK(cache.stats().bytes <= 256 * 1024);
    }
    cache.put_found(Kind::user, "jim", held, now);
    CHECK(cache.stats().found_entries <= 1);
    cache.clear();
    CHECK(cache.stats().bytes < empty + 100'000);
}

TEST(cache, memory_moves_freely_between_entries_and_fields)
{
    Cache cache(limits(2 * mega));
    std::uint64_t shared = 0;
    std::uint64_t own = 0;
    for (unsigned round = 0; round < 3; ++round) {
        for (unsigned i = 0; i < 30'000; ++i)
            cache.put_found(Kind::user, number_name("s", i), record("b1"), now);
        CHECK(round == 0 || cache.stats().found_entries >= shared);
        shared = cache.stats().found_entries;
        for (unsigned i = 0; i < 30'000; ++i)
            cache.put_found(Kind::user, number_name("o", i), record("b1", number_name("d", i)),
                            now);
        CHECK(round == 0 || cache.stats().found_entries >= own);
        own = cache.stats().found_entries;
        CHECK(cache.stats().bytes <= 2 * mega);
    }
    CHECK(shared > 20'000);
    CHECK(own > 3000);
}

// ----------------------------------------------------------------------------- against a model

namespace {

// What the cache must agree with: a plain map that evicts nothing.
class Model {
  public:
    struct Held {
        std::string text; // as look() says it
        std::uint64_t stored;
    };
    std::map<std::pair<Kind, std::string>, Held> held;

    std::string look(Kind kind, const std::string &name, std::uint64_t at) const
    {
        const auto found = held.find({kind, name});
        return found == held.end() || at - found->second.stored >= 20'000 ? "nothing"
                                                                          : found->second.text;
    }
};

// Random calls on a cache and a model: the cache may forget where it had to evict, and nothing
// else. It never exceeds its ceiling.
void compare_with_model(std::uint64_t bytes, unsigned names, Hash_function hash, unsigned seed)
{
    std::mt19937 random(seed);
    const auto below = [&random](unsigned limit) {
        return static_cast<unsigned>(random() % limit);
    };
    Cache cache(limits(bytes), hash);
    Model model;
    std::uint64_t at = now;
    for (unsigned step = 0; step < 20'000; ++step) {
        at += below(3);
        const auto kind = static_cast<Kind>(below(4));
        const unsigned number = below(names);
        const std::string name =
            number_name("n", number) + std::string(number % 7 == 0 ? number % 400 : 0, 'x');
        const unsigned call = below(10'000);
        if (call < 2000) {
            const std::string backend = "b" + std::to_string(below(5));
            const std::string destuser =
                below(3) == 0 ? std::string(1 + below(300), 'd') : std::string();
            cache.put_found(kind, name, record(backend, destuser), at);
            model.held[{kind, name}] = {
                "found " + backend + (destuser.empty() ? "" : " " + destuser), at};
        } else if (call < 3500) {
            cache.put_missing(kind, name, at);
            model.held[{kind, name}] = {"missing", at};
        } else if (call < 4000) {
            cache.drop(kind, name);
            model.held.erase({kind, name});
        } else if (call == 4000) {
            cache.clear();
            model.held.clear();
        } else {
            const std::string expected = model.look(kind, name, at);
            const std::string said = look(cache, kind, name, at);
            if (said != "nothing" || cache.stats().evictions == 0)
                check_text(expected, said);
        }
        const Cache_stats stats = cache.stats();
        CHECK(stats.bytes <= bytes);
        CHECK(stats.found_entries + stats.missing_entries <= model.held.size());
        CHECK(stats.evictions > 0 ||
              stats.found_entries + stats.missing_entries == model.held.size());
    }
}

} // namespace

TEST(cache, with_room_for_all_it_says_what_a_map_says)
{
    compare_with_model(16 * mega, 500, sip_hash<1, 3>, 1);
    compare_with_model(16 * mega, 20, sip_hash<1, 3>, 2);
}

TEST(cache, with_little_room_it_forgets_but_is_never_wrong_and_honours_its_ceiling)
{
    compare_with_model(256 * 1024, 1000, sip_hash<1, 3>, 3);
    compare_with_model(300'000, 5000, sip_hash<1, 3>, 4);
    compare_with_model(mega, 10'000, sip_hash<1, 3>, 5);
}

TEST(cache, names_and_records_with_one_hash_are_kept_apart)
{
    compare_with_model(16 * mega, 50, same_hash, 6);
    compare_with_model(16 * mega, 200, few_hashes, 7);
    compare_with_model(256 * 1024, 300, few_hashes, 8);
}
