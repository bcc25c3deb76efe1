// Choosing a source address: by each rule, never of another family, and avoided ones last.
#include "core/source_pool.h"

#include <algorithm>
#include <iterator>
#include <map>
#include <string>

#include <CppUTest/TestHarness.h>

using namespace proxymap;

namespace {

constexpr Choose all_rules[] = {Choose::least_used, Choose::round_robin, Choose::hash_user,
                                Choose::hash_destination};

Ip ip(const std::string &text)
{
    const auto parsed = parse_ip(text);
    CHECK_TEXT(parsed.has_value(), text.c_str());
    return *parsed;
}

const std::string v4_backend = "198.51.100.1";
const std::string v6_backend = "2001:db8:1::1";

std::vector<Source_candidate> pool(const std::string &prefix, int count)
{
    std::vector<Source_candidate> candidates;
    for (int i = 1; i <= count; i++)
        candidates.push_back({ip(prefix + std::to_string(i)), 0, false});
    return candidates;
}

std::vector<Source_candidate> v4_pool(int count)
{
    return pool("192.0.2.", count);
}

std::string user(int number)
{
    return "user" + std::to_string(number) + "@example.com";
}

int by_user(const std::vector<Source_candidate> &candidates, const std::string &name)
{
    return choose_source(Choose::hash_user, candidates, ip(v4_backend), name, nullptr);
}

std::string address_of_user(const std::vector<Source_candidate> &candidates,
                            const std::string &name)
{
    return format_ip(candidates.at(static_cast<std::size_t>(by_user(candidates, name))).ip);
}

} // namespace

TEST_GROUP(source_choice)
{
    std::uint64_t turn = 0;

    int choose(Choose rule, const std::vector<Source_candidate> &candidates,
               const std::string &destination = v4_backend, const std::string &name = "joe")
    {
        return choose_source(rule, candidates, ip(destination), name, &turn);
    }
};

TEST(source_choice, an_empty_pool_has_none)
{
    for (const auto rule : all_rules)
        LONGS_EQUAL(-1, choose(rule, {}));
}

TEST(source_choice, an_address_of_another_family_is_never_chosen)
{
    const std::vector<Source_candidate> mixed = {{ip("2001:db8::1"), 0, false},
                                                 {ip("192.0.2.1"), 1000, true},
                                                 {ip("2001:db8::2"), 0, false},
                                                 {ip("192.0.2.2"), 2000, true}};
    for (const auto rule : all_rules) {
        for (int i = 0; i < 100; i++) {
            const int v4 = choose(rule, mixed, v4_backend, user(i));
            CHECK(v4 == 1 || v4 == 3);
            const int v6 = choose(rule, mixed, v6_backend, user(i));
            CHECK(v6 == 0 || v6 == 2);
        }
    }
}

TEST(source_choice, a_pool_of_the_other_family_alone_has_none)
{
    for (const auto rule : all_rules) {
        LONGS_EQUAL(-1, choose(rule, v4_pool(3), v6_backend));
        LONGS_EQUAL(-1, choose(rule, pool("2001:db8::", 3), v4_backend));
    }
}

TEST(source_choice, an_avoided_address_is_passed_over)
{
    auto candidates = v4_pool(3);
    candidates[0].avoided = candidates[2].avoided = true;
    candidates[1].used = 20'000;
    for (const auto rule : all_rules) {
        for (int i = 0; i < 20; i++)
            LONGS_EQUAL(1, choose(rule, candidates, v4_backend, user(i)));
    }
}

TEST(source_choice, when_all_of_the_family_are_avoided_they_are_used_by_the_same_rule)
{
    auto candidates = v4_pool(3);
    candidates[0].used = candidates[2].used = 5;
    auto avoided = candidates;
    for (auto &candidate : avoided)
        candidate.avoided = true;
    avoided.push_back({ip("2001:db8::1"), 0, false}); // no help for an IPv4 destination
    LONGS_EQUAL(1, choose(Choose::least_used, avoided));
    for (const auto rule : all_rules) {
        for (int i = 0; i < 20; i++) {
            std::uint64_t turns[] = {7, 7};
            const auto destination = ip(v4_backend);
            LONGS_EQUAL(choose_source(rule, candidates, destination, user(i), &turns[0]),
                        choose_source(rule, avoided, destination, user(i), &turns[1]));
        }
    }
}

TEST(source_choice, least_used_takes_the_lowest_count)
{
    auto candidates = v4_pool(4);
    candidates[0].used = 9;
    candidates[1].used = 3;
    candidates[2].used = 2;
    candidates[3].used = 3;
    for (int i = 0; i < 5; i++)
        LONGS_EQUAL(2, choose(Choose::least_used, candidates));
}

TEST(source_choice, a_count_that_is_as_high_as_can_be_is_still_a_candidate)
{
    auto candidates = v4_pool(2);
    candidates[0].used = candidates[1].used = UINT64_MAX;
    CHECK(choose(Choose::least_used, candidates) >= 0);
    candidates[1].used--;
    LONGS_EQUAL(1, choose(Choose::least_used, candidates));
}

TEST(source_choice, equally_used_addresses_take_turns)
{
    auto candidates = v4_pool(5);
    candidates[1].used = 1; // a gap must not give its neighbour two turns
    std::map<int, int> chosen;
    for (int i = 0; i < 400; i++)
        chosen[choose(Choose::least_used, candidates)]++;
    for (const int index : {0, 2, 3, 4})
        LONGS_EQUAL(100, chosen[index]);
}

TEST(source_choice, ten_thousand_connections_are_spread_within_five_percent)
{
    auto candidates = v4_pool(4);
    for (int i = 0; i < 10'000; i++)
        candidates[static_cast<std::size_t>(choose(Choose::least_used, candidates))].used++;
    for (const auto &candidate : candidates)
        CHECK(candidate.used >= 2375 && candidate.used <= 2625);
}

TEST(source_choice, least_used_evens_out_what_was_uneven)
{
    auto candidates = v4_pool(4);
    candidates[2].used = 1000;
    for (int i = 0; i < 3000; i++)
        candidates[static_cast<std::size_t>(choose(Choose::least_used, candidates))].used++;
    for (const auto &candidate : candidates)
        LONGS_EQUAL(1000, candidate.used);
}

TEST(source_choice, round_robin_goes_around_whatever_is_used)
{
    auto candidates = v4_pool(3);
    candidates[0].used = 50;
    for (const int expected : {0, 1, 2, 0, 1, 2, 0})
        LONGS_EQUAL(expected, choose(Choose::round_robin, candidates));
}

TEST(source_choice, round_robin_goes_around_within_the_family_and_over_those_not_avoided)
{
    auto candidates = v4_pool(4);
    candidates[1].avoided = true;
    candidates.insert(candidates.begin(), Source_candidate{ip("2001:db8::1"), 0, false});
    for (const int expected : {1, 3, 4, 1, 3, 4})
        LONGS_EQUAL(expected, choose(Choose::round_robin, candidates));
}

TEST(source_choice, the_turn_goes_on_past_its_highest_value)
{
    turn = UINT64_MAX;
    const auto candidates = v4_pool(4);
    LONGS_EQUAL(3, choose(Choose::round_robin, candidates));
    LONGS_EQUAL(0, choose(Choose::round_robin, candidates));
    LONGS_EQUAL(1, turn);
}

TEST(source_choice, hashing_leaves_the_turn_alone)
{
    choose(Choose::hash_user, v4_pool(4));
    choose(Choose::hash_destination, v4_pool(4));
    LONGS_EQUAL(0, turn);
}

// Computed by another program, from what source_choice.cc says of the weight. MUST never change:
// two releases on two proxies would send one user from two addresses.
TEST(source_choice, the_hash_is_the_same_on_every_host_and_in_every_release)
{
    struct Known {
        const char *user;
        int v4, v6;
    };
    const auto v4 = v4_pool(4);
    const auto v6 = pool("2001:db8::", 4);
    for (const auto &known : {Known{"joe", 3, 2}, Known{"jane@example.org", 1, 2}, Known{"", 1, 3},
                              Known{"user-with-a-long-name@example.com", 1, 2}}) {
        LONGS_EQUAL(known.v4, choose(Choose::hash_user, v4, v4_backend, known.user));
        LONGS_EQUAL(known.v6, choose(Choose::hash_user, v6, v6_backend, known.user));
    }
    LONGS_EQUAL(3, choose(Choose::hash_destination, v4, "198.51.100.1"));
    LONGS_EQUAL(2, choose(Choose::hash_destination, v4, "198.51.100.2"));
    LONGS_EQUAL(0, choose(Choose::hash_destination, v4, "198.51.100.3"));
    LONGS_EQUAL(0, choose(Choose::hash_destination, v6, "2001:db8:1::1"));
    LONGS_EQUAL(1, choose(Choose::hash_destination, v6, "2001:db8:1::2"));
}

TEST(source_choice, hash_user_looks_at_the_user_and_hash_destination_at_the_destination)
{
    const auto candidates = v4_pool(16);
    std::map<int, int> by_name, by_destination;
    for (int i = 1; i <= 100; i++) {
        const auto backend = "198.51.100." + std::to_string(i);
        LONGS_EQUAL(by_user(candidates, "joe"), choose(Choose::hash_user, candidates, backend));
        by_name[choose(Choose::hash_user, candidates, v4_backend, user(i))]++;
        LONGS_EQUAL(choose(Choose::hash_destination, candidates, backend, "joe"),
                    choose(Choose::hash_destination, candidates, backend, user(i)));
        by_destination[choose(Choose::hash_destination, candidates, backend)]++;
    }
    CHECK(by_name.size() > 10 && by_destination.size() > 10);
}

TEST(source_choice, the_order_of_a_pool_and_its_counts_do_not_matter_to_a_hash)
{
    const auto candidates = v4_pool(8);
    auto shuffled = candidates;
    std::reverse(shuffled.begin(), shuffled.end());
    std::swap(shuffled[1], shuffled[5]);
    for (std::size_t i = 0; i < shuffled.size(); i++)
        shuffled[i].used = i * 100;
    for (int i = 0; i < 1000; i++)
        STRCMP_EQUAL(address_of_user(candidates, user(i)).c_str(),
                     address_of_user(shuffled, user(i)).c_str());
}

TEST(source_choice, users_are_spread_evenly_over_addresses_that_differ_in_one_byte)
{
    for (const char *prefix : {"192.0.2.", "2001:db8::", "2001:db8:1:2:3:4:5:"}) {
        const auto candidates = pool(prefix, 8);
        const auto backend = candidates[0].ip.v6 ? v6_backend : v4_backend;
        std::map<int, int> chosen;
        for (int i = 0; i < 40'000; i++)
            chosen[choose(Choose::hash_user, candidates, backend, user(i))]++;
        for (int i = 0; i < 8; i++)
            CHECK_TEXT(chosen[i] > 4750 && chosen[i] < 5250,
                       (prefix + std::to_string(i) + " has " + std::to_string(chosen[i])).c_str());
    }
}

TEST(source_choice, users_are_spread_evenly_over_a_prefix_for_each_address)
{
    std::vector<Source_candidate> candidates;
    for (int i = 0; i < 16; i++) {
        const auto n = std::to_string(i + 1);
        candidates.push_back({ip("2001:db8:0:" + n + "::" + n), 0, false});
    }
    std::map<int, int> chosen;
    for (int i = 0; i < 80'000; i++)
        chosen[choose(Choose::hash_user, candidates, v6_backend, user(i))]++;
    for (int i = 0; i < 16; i++)
        CHECK_TEXT(chosen[i] > 4750 && chosen[i] < 5250, std::to_string(chosen[i]).c_str());
}

TEST(source_choice, an_address_that_goes_takes_only_its_own_users_along)
{
    const auto before = v4_pool(5);
    auto after = before;
    after.erase(after.begin() + 2);
    auto avoided = before;
    avoided[2].avoided = true;
    const auto gone = format_ip(before[2].ip);
    int moved = 0;
    for (int i = 0; i < 5000; i++) {
        const auto old_address = address_of_user(before, user(i));
        const auto new_address = address_of_user(after, user(i));
        // An address that is passed over for a while is as good as gone.
        STRCMP_EQUAL(new_address.c_str(), address_of_user(avoided, user(i)).c_str());
        if (old_address == gone)
            moved++;
        else
            STRCMP_EQUAL(old_address.c_str(), new_address.c_str());
    }
    CHECK(moved > 900 && moved < 1100);
}

TEST(source_choice, an_address_that_is_named_by_two_names_is_still_one)
{
    auto candidates = v4_pool(3);
    candidates.push_back(candidates[1]);
    for (int i = 0; i < 100; i++)
        STRCMP_EQUAL(address_of_user(v4_pool(3), user(i)).c_str(),
                     address_of_user(candidates, user(i)).c_str());
}
