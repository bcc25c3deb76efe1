// src/core/source_addresses.cc: what a pool's names mean, now and after a failed look-up.
#include "core/source_addresses.h"

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <utility>

#include <CppUTest/TestHarness.h>

using namespace proxymap;

namespace {

Ip ip(const std::string &text)
{
    const auto parsed = parse_ip(text);
    CHECK_TEXT(parsed.has_value(), text.c_str());
    return *parsed;
}

// Answers when the test says so.
class Hand_resolver final : public Resolver {
  public:
    struct Asked final : Lookup {
        Asked(Hand_resolver &of, std::string its_name, Callback to_call)
            : resolver(of), name(std::move(its_name)), callback(std::move(to_call))
        {
            resolver.asked.push_back(this);
        }
        ~Asked() override { std::erase(resolver.asked, this); }
        Asked(const Asked &) = delete;
        Asked &operator=(const Asked &) = delete;
        Hand_resolver &resolver;
        std::string name;
        Callback callback;
    };
    std::unique_ptr<Lookup> look_up(const std::string &name, Callback callback) override
    {
        begun++;
        return std::make_unique<Asked>(*this, name, std::move(callback));
    }
    bool is_asked(const std::string &name) const
    {
        return std::any_of(asked.begin(), asked.end(), [&](const Asked *one) {
            return one->name == name && one->callback != nullptr;
        });
    }
    void finish(const std::string &name, const Result<std::vector<Ip>> &result)
    {
        for (Asked *one : asked) {
            if (one->name == name && one->callback != nullptr) {
                std::exchange(one->callback, nullptr)(result);
                return;
            }
        }
        FAIL(("nobody asked for " + name).c_str());
    }
    void answer(const std::string &name, const std::vector<std::string> &addresses)
    {
        std::vector<Ip> ips;
        for (const std::string &address : addresses)
            ips.push_back(ip(address));
        finish(name, ips);
    }
    std::size_t running() const
    {
        return static_cast<std::size_t>(std::count_if(
            asked.begin(), asked.end(), [](const Asked *one) { return one->callback != nullptr; }));
    }

    std::vector<Asked *> asked;
    int begun = 0;
};

} // namespace

TEST_GROUP(source_addresses)
{
    Hand_resolver resolver;
    std::uint64_t now = 5'000'000;
    std::set<std::string> assigned;
    std::vector<std::string> log;
    Source_pool settings;
    std::unique_ptr<Source_addresses> pool;

    void make(const std::vector<std::string> &words)
    {
        settings.name = "out";
        for (const std::string &text : words) {
            Source_word word;
            word.only_assigned = text.starts_with('?');
            word.text = text.substr(word.only_assigned ? 1 : 0);
            word.ip = parse_ip(word.text);
            settings.words.push_back(word);
        }
        Source_addresses::Surroundings surroundings;
        surroundings.resolver = &resolver;
        surroundings.is_assigned = [this](const Ip &one) {
            return assigned.contains(format_ip(one));
        };
        surroundings.now = [this] { return now; };
        surroundings.warn = [this](const std::string &line) { log.push_back(line); };
        pool = std::make_unique<Source_addresses>(settings, surroundings);
        pool->update();
    }
    void after(std::uint64_t ms)
    {
        now += ms;
        pool->update();
    }
    void check(const std::string &expected)
    {
        std::string shown;
        for (const Source_candidate &candidate : pool->candidates())
            shown += (shown.empty() ? "" : " ") + format_ip(candidate.ip) +
                     (candidate.avoided ? "!" : "");
        STRCMP_EQUAL(expected.c_str(), shown.c_str());
    }
    void check_logged(std::size_t lines, const std::string &in_last)
    {
        LONGS_EQUAL(lines, log.size());
        STRCMP_CONTAINS(in_last.c_str(), log.back().c_str());
    }
};

TEST(source_addresses, written_out_addresses_are_there_at_once)
{
    make({"192.0.2.1", "2001:db8::1"});
    CHECK_TRUE(pool->ready());
    check("192.0.2.1 2001:db8::1");
    LONGS_EQUAL(0, resolver.begun);
}

TEST(source_addresses, a_pool_with_a_name_is_ready_when_it_is_looked_up)
{
    make({"192.0.2.1", "out.example.com"});
    CHECK_FALSE(pool->ready());
    check("192.0.2.1");
    resolver.answer("out.example.com", {"192.0.2.7", "2001:db8::7"});
    CHECK_TRUE(pool->ready());
    check("192.0.2.1 192.0.2.7 2001:db8::7");
}

TEST(source_addresses, a_waiting_login_is_told_when_the_last_name_has_ended)
{
    make({"a.example.com", "b.example.com"});
    int told = 0;
    const auto wait = pool->wait([&] { told++; });
    const auto ended = pool->wait([&] { told += 100; });
    auto gone = pool->wait([&] { told += 10'000; });
    gone.reset();
    resolver.answer("b.example.com", {"192.0.2.2"});
    LONGS_EQUAL(0, told);
    resolver.finish("a.example.com", Error{"no such host"});
    LONGS_EQUAL(101, told);
    check("192.0.2.2");
    after(settings.refresh);
    resolver.answer("a.example.com", {"192.0.2.1"});
    LONGS_EQUAL(101, told);
}

TEST(source_addresses, the_callback_of_one_wait_may_end_another)
{
    make({"a.example.com"});
    int told = 0;
    std::unique_ptr<Source_addresses::Wait> second;
    const auto first = pool->wait([&] {
        told++;
        second.reset();
    });
    second = pool->wait([&] { told += 100; });
    resolver.answer("a.example.com", {"192.0.2.1"});
    LONGS_EQUAL(1, told);
}

TEST(source_addresses, a_wait_may_outlive_the_pool)
{
    make({"a.example.com"});
    const auto wait = pool->wait([] { FAIL("told"); });
    pool.reset();
    LONGS_EQUAL(0, resolver.asked.size());
}

TEST(source_addresses, names_are_looked_up_again_each_refresh_and_not_before)
{
    make({"out.example.com"});
    resolver.answer("out.example.com", {"192.0.2.1"});
    after(settings.refresh - 1);
    LONGS_EQUAL(1, resolver.begun);
    after(1);
    LONGS_EQUAL(2, resolver.begun);
    after(1);
    LONGS_EQUAL(2, resolver.begun); // under way
    CHECK_TRUE(pool->ready());      // nobody waits for it
    resolver.answer("out.example.com", {"192.0.2.2"});
    check("192.0.2.2");
    after(settings.refresh);
    LONGS_EQUAL(3, resolver.begun);
}

TEST(source_addresses, addresses_of_long_ago_are_looked_up_before_they_are_used)
{
    make({"out.example.com"});
    resolver.answer("out.example.com", {"192.0.2.1"});
    after(2 * settings.refresh + 1);
    CHECK_FALSE(pool->ready());
    resolver.finish("out.example.com", Error{"timed out"});
    CHECK_TRUE(pool->ready());
    check("192.0.2.1");
}

TEST(source_addresses, a_failed_look_up_keeps_the_last_good_addresses)
{
    make({"out.example.com"});
    resolver.answer("out.example.com", {"192.0.2.1", "192.0.2.2"});
    const auto changes = pool->changes();
    for (int i = 0; i < 20; i++) {
        after(settings.refresh);
        resolver.finish("out.example.com", Error{"no such host"});
        check("192.0.2.1 192.0.2.2");
    }
    LONGS_EQUAL(changes, pool->changes());
}

TEST(source_addresses, an_answer_without_a_usable_address_keeps_the_last_good_ones)
{
    make({"out.example.com"});
    resolver.answer("out.example.com", {"192.0.2.1"});
    for (const auto &answer : std::vector<std::vector<std::string>>{{}, {"0.0.0.0"}, {"ff02::1"}}) {
        after(settings.refresh);
        resolver.answer("out.example.com", answer);
        check("192.0.2.1");
    }
}

TEST(source_addresses, what_no_connection_can_come_from_is_left_out_of_an_answer)
{
    make({"out.example.com"});
    resolver.answer("out.example.com",
                    {"224.0.0.1", "192.0.2.1", "0.0.0.0", "255.255.255.255", "::", "fe80::1"});
    check("192.0.2.1");
    check_logged(1, "224.0.0.1 too, which is a multicast address");
}

TEST(source_addresses, a_failure_is_logged_once_a_minute_and_tried_again_after_ten_seconds)
{
    make({"out.example.com"});
    resolver.finish("out.example.com", Error{"no such host"});
    check_logged(1, "cannot look up \"out.example.com\": no such host; it has no addresses yet");
    after(9'999);
    LONGS_EQUAL(1, resolver.begun);
    after(1);
    for (int i = 2; i <= 6; i++) {
        LONGS_EQUAL(i, resolver.begun);
        resolver.finish("out.example.com", Error{"no such host"});
        after(10'000);
    }
    LONGS_EQUAL(1, log.size());
    resolver.finish("out.example.com", Error{"no such host"});
    check_logged(2, "(5 times more since");
}

TEST(source_addresses, without_a_resolver_names_have_no_addresses_and_nobody_waits)
{
    settings.words.push_back({"192.0.2.1", ip("192.0.2.1"), false});
    settings.words.push_back({"out.example.com", std::nullopt, false});
    Source_addresses addresses(settings,
                               {nullptr,
                                {},
                                [this] { return now; },
                                [this](const std::string &line) { log.push_back(line); }});
    addresses.update();
    CHECK_TRUE(addresses.ready());
    LONGS_EQUAL(1, addresses.candidates().size());
    check_logged(1, "there is no DNS client");
}

TEST(source_addresses, at_most_four_names_are_looked_up_at_a_time)
{
    std::vector<std::string> names;
    for (int i = 0; i < 10; i++)
        names.push_back("h" + std::to_string(i) + ".example.com");
    make(names);
    for (int i = 0; i < 10; i++) {
        LONGS_EQUAL(std::min(4, 10 - i), resolver.running());
        CHECK_FALSE(pool->ready());
        resolver.answer(names[static_cast<std::size_t>(i)], {"192.0.2." + std::to_string(i)});
    }
    CHECK_TRUE(pool->ready());
    LONGS_EQUAL(10, pool->candidates().size());
}

TEST(source_addresses, an_address_is_there_once_however_often_it_is_meant)
{
    make({"192.0.2.1", "a.example.com", "b.example.com"});
    resolver.answer("a.example.com", {"192.0.2.2", "192.0.2.1", "192.0.2.2"});
    resolver.answer("b.example.com", {"192.0.2.2"});
    check("192.0.2.1 192.0.2.2");
}

TEST(source_addresses, the_order_of_an_answer_changes_nothing)
{
    make({"out.example.com"});
    resolver.answer("out.example.com", {"192.0.2.2", "192.0.2.1"});
    const auto changes = pool->changes();
    after(settings.refresh);
    resolver.answer("out.example.com", {"192.0.2.1", "192.0.2.2"});
    LONGS_EQUAL(changes, pool->changes());
}

TEST(source_addresses, more_than_2048_addresses_are_cut_off)
{
    make({"192.0.2.1", "out.example.com"});
    std::vector<std::string> many;
    for (int i = 0; i < 3000; i++)
        many.push_back("10.0." + std::to_string(i / 200) + "." + std::to_string(i % 200 + 1));
    resolver.answer("out.example.com", many);
    LONGS_EQUAL(Source_addresses::max_addresses, pool->candidates().size());
    check_logged(1, "more than 2048 addresses");
}

TEST(source_addresses, of_words_with_a_question_mark_only_assigned_addresses_are_there)
{
    assigned = {"192.0.2.2", "192.0.2.8"};
    make({"?192.0.2.1", "?192.0.2.2", "192.0.2.3", "?out.example.com"});
    check("192.0.2.2 192.0.2.3");
    resolver.answer("out.example.com", {"192.0.2.7", "192.0.2.8"});
    check("192.0.2.2 192.0.2.3 192.0.2.8");
}

TEST(source_addresses, an_address_that_moves_to_this_host_is_seen_at_the_next_refresh)
{
    assigned = {"192.0.2.1"};
    make({"?192.0.2.1", "?192.0.2.2"});
    assigned = {"192.0.2.2"};
    after(settings.refresh - 1);
    check("192.0.2.1");
    after(1);
    check("192.0.2.2");
}

TEST(source_addresses, an_avoided_address_is_marked_for_avoid_for)
{
    make({"192.0.2.1", "192.0.2.2"});
    pool->avoid(ip("192.0.2.1"), "out of ports");
    check("192.0.2.1! 192.0.2.2");
    check_logged(1, "192.0.2.1: out of ports; it is passed over for 10000 ms");
    after(settings.avoid_for - 1);
    check("192.0.2.1! 192.0.2.2");
    const auto changes = pool->changes();
    after(1);
    check("192.0.2.1 192.0.2.2");
    CHECK(changes < pool->changes());
}

TEST(source_addresses, a_second_failure_begins_the_time_anew)
{
    make({"192.0.2.1"});
    pool->avoid(ip("192.0.2.1"), {});
    after(settings.avoid_for - 1);
    pool->avoid(ip("192.0.2.1"), {});
    after(settings.avoid_for - 1);
    check("192.0.2.1!");
    LONGS_EQUAL(1, log.size());
    after(1);
    check("192.0.2.1");
}

TEST(source_addresses, avoid_for_0_avoids_nothing)
{
    settings.avoid_for = 0;
    make({"192.0.2.1"});
    pool->avoid(ip("192.0.2.1"), {});
    check("192.0.2.1");
}

TEST(source_addresses, an_avoided_address_stays_so_when_a_name_means_something_else)
{
    make({"192.0.2.1", "out.example.com"});
    pool->avoid(ip("192.0.2.1"), {});
    pool->avoid(ip("192.0.2.2"), {}); // not yet one of the pool
    resolver.answer("out.example.com", {"192.0.2.2", "192.0.2.3"});
    check("192.0.2.1! 192.0.2.2! 192.0.2.3");
}

TEST(source_addresses, the_log_says_why_a_family_has_none)
{
    make({"192.0.2.1", "out.example.com"});
    STRCMP_CONTAINS("source pool \"out\" has no IPv6 address now; \"out.example.com\" is being",
                    pool->why_none(true).c_str());
    resolver.finish("out.example.com", Error{"no such host"});
    STRCMP_CONTAINS("\"out.example.com\": no such host", pool->why_none(true).c_str());
}
