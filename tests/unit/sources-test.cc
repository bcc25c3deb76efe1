// src/login-proxy-ext/sources.cc and source_family.cc: which address a connection comes from.
#include "login-proxy-ext/source_family.h"
#include "login-proxy-ext/sources.h"

#include "counting_process.h"

#include <algorithm>
#include <fcntl.h>
#include <map>
#include <random>
#include <sys/mman.h>

#include <CppUTest/TestHarness.h>

using namespace proxymap;

namespace {

constexpr Choose all_rules[] = {Choose::least_used, Choose::round_robin, Choose::hash_user,
                                Choose::hash_destination};

Ip ip(const std::string &text)
{
    return *parse_ip(text);
}

const Ip v4_backend = ip("198.51.100.1");
const Ip v6_backend = ip("2001:db8:1::1");

Source_pool make_pool(const std::string &name, const std::vector<std::string> &addresses,
                      Choose choose = Choose::least_used)
{
    Source_pool pool;
    pool.name = name;
    pool.choose = choose;
    for (const std::string &address : addresses)
        pool.words.push_back({address, parse_ip(address), false});
    return pool;
}

class Late_resolver final : public Resolver {
  public:
    struct Asked final : Lookup {};
    std::unique_ptr<Lookup> look_up(const std::string &, Callback to_call) override
    {
        callback = std::move(to_call);
        return std::make_unique<Asked>();
    }
    Callback callback;
};

} // namespace

TEST_GROUP(sources)
{
    Counts_folder folder;
    std::vector<Source_pool> pools;
    std::uint64_t now = 1'000'000;
    std::vector<std::string> log;
    Late_resolver resolver;

    std::unique_ptr<Sources> make(std::shared_ptr<Usage_counts> counts)
    {
        Sources::Surroundings surroundings;
        surroundings.resolver = &resolver;
        surroundings.now = [this] { return now; };
        surroundings.warn = [this](const std::string &line) { log.push_back(line); };
        return std::make_unique<Sources>(pools, std::move(counts), surroundings);
    }
    std::unique_ptr<Sources> make_sharing()
    {
        auto counts = Usage_counts::open(folder.path());
        CHECK(counts.ok());
        return make(*counts);
    }
    static Source_lease take(Sources & sources, const Ip &destination = v4_backend,
                             const std::vector<Ip> &tried = {})
    {
        auto lease = sources.take("out", destination, 143, "joe", tried);
        CHECK_TEXT(lease.ok(), lease.ok() ? "" : lease.error().message.c_str());
        return std::move(*lease);
    }
    static void check_error(Sources & sources, const std::string &pool, const Ip &destination,
                            const std::vector<Ip> &tried, const std::string &expected)
    {
        const auto lease = sources.take(pool, destination, 143, "joe", tried);
        CHECK_FALSE(lease.ok());
        STRCMP_CONTAINS(expected.c_str(), lease.error().message.c_str());
    }
};

TEST(sources, it_chooses_exactly_as_choose_source_does)
{
    std::mt19937 random(5);
    const auto counts = Usage_counts::private_counts();
    for (int round = 0; round < 300; round++) {
        std::vector<Source_candidate> candidates;
        const std::size_t size = random() % (round % 10 == 0 ? 300 : 12);
        for (std::size_t i = 0; i < size; i++) {
            const std::string number = std::to_string(i / 200) + "." + std::to_string(i % 200 + 1);
            candidates.push_back(
                {random() % 4 == 0 ? ip("2001:db8::" + std::to_string(i)) : ip("10.1." + number),
                 random() % 4, random() % 5 == 0});
        }
        const Ip destination = random() % 4 == 0 ? v6_backend : v4_backend;
        const auto port = static_cast<std::uint16_t>(round);
        Source_family family(candidates, destination.v6, {}, *counts);
        std::vector<Usage_counts::Lease> leases;
        Usage_counts::Row row;
        if (!family.empty())
            row = family.row(*counts, destination, port, 0);
        // The family holds its candidates in their order.
        std::size_t at = 0;
        const bool all_avoided = std::all_of(candidates.begin(), candidates.end(), [&](auto &one) {
            return one.avoided || one.ip.v6 != destination.v6;
        });
        for (const Source_candidate &candidate : candidates) {
            if (candidate.ip.v6 != destination.v6 || candidate.avoided != all_avoided)
                continue;
            CHECK(family.ip(at) == candidate.ip);
            for (std::uint64_t k = 0; k < candidate.used; k++)
                leases.push_back(counts->count(row, at));
            at++;
        }
        for (const Choose rule : all_rules) {
            for (int i = 0; i < 5; i++) {
                std::uint64_t turn = random();
                std::uint64_t same_turn = turn;
                const std::string user = "user" + std::to_string(random());
                const int expected = choose_source(rule, candidates, destination, user, &turn);
                CHECK_EQUAL(expected < 0, family.empty());
                if (expected < 0)
                    continue;
                const std::size_t chosen = family.choose(rule, row, destination, user, &same_turn);
                STRCMP_EQUAL(format_ip(candidates[static_cast<std::size_t>(expected)].ip).c_str(),
                             format_ip(family.ip(chosen)).c_str());
            }
        }
    }
}

TEST(sources, each_connection_is_counted_while_its_lease_is_held)
{
    pools = {make_pool("out", {"192.0.2.1", "192.0.2.2"})};
    const auto sources = make(nullptr);
    std::map<std::string, int> held;
    std::vector<Source_lease> leases;
    for (int i = 0; i < 10; i++) {
        leases.push_back(take(*sources));
        held[format_ip(leases.back().ip())]++;
        LONGS_EQUAL(i / 2, leases.back().used());
    }
    LONGS_EQUAL(5, held["192.0.2.1"]);
    LONGS_EQUAL(5, held["192.0.2.2"]);
    const Ip one = leases[0].ip();
    leases[0].release();
    const auto next = take(*sources);
    CHECK(next.ip() == one);
    LONGS_EQUAL(4, next.used());
}

TEST(sources, the_addresses_of_two_pools_are_counted_together)
{
    pools = {make_pool("out", {"192.0.2.1", "192.0.2.2"}),
             make_pool("hash", {"192.0.2.1"}, Choose::hash_user)};
    const auto sources = make(nullptr);
    const auto busy = sources->take("hash", v4_backend, 143, "joe", {});
    CHECK(take(*sources).ip() == ip("192.0.2.2"));
}

TEST(sources, an_address_of_another_family_is_never_given)
{
    for (const Choose rule : all_rules) {
        pools = {make_pool("out", {"192.0.2.1", "2001:db8::1", "192.0.2.2"}, rule),
                 make_pool("v6", {"2001:db8::1"}, rule)};
        const auto sources = make(nullptr);
        for (int i = 0; i < 50; i++) {
            CHECK_FALSE(take(*sources).ip().v6);
            CHECK_TRUE(take(*sources, v6_backend).ip().v6);
        }
        check_error(*sources, "v6", v4_backend, {}, "source pool \"v6\" has no IPv4 address now");
    }
}

TEST(sources, an_unknown_pool_is_an_error)
{
    const auto sources = make(nullptr);
    CHECK(sources->wait("out", [] {}) == nullptr);
    check_error(*sources, "out", v4_backend, {}, "there is no source_pool \"out\"");
}

TEST(sources, what_was_tried_is_left_out_until_nothing_is_left)
{
    for (const Choose rule : all_rules) {
        pools = {make_pool("out", {"192.0.2.1", "192.0.2.2", "2001:db8::1", "192.0.2.3"}, rule)};
        const auto sources = make(nullptr);
        std::vector<Ip> tried;
        while (tried.size() < 3) {
            const auto lease = take(*sources, v4_backend, tried);
            CHECK(std::find(tried.begin(), tried.end(), lease.ip()) == tried.end());
            CHECK_FALSE(lease.ip().v6);
            tried.push_back(lease.ip());
            if (tried.size() == 2)
                sources->failed("out", lease.ip());
        }
        check_error(*sources, "out", v4_backend, tried, "each was tried");
    }
}

TEST(sources, an_address_that_failed_is_passed_over_for_a_while)
{
    for (const Choose rule : all_rules) {
        pools = {make_pool("out", {"192.0.2.1", "192.0.2.2"}, rule)};
        const auto sources = make(nullptr);
        const Ip first = take(*sources).ip();
        sources->failed("out", first, "out of ports");
        for (int i = 0; i < 20; i++)
            CHECK(take(*sources).ip() != first);
        now += pools[0].avoid_for;
        bool back = false;
        for (int i = 0; i < 20; i++)
            back = back || take(*sources).ip() == first;
        CHECK_TRUE(back);
    }
    STRCMP_CONTAINS("out of ports", log.back().c_str());
}

TEST(sources, when_all_have_failed_they_are_used_again)
{
    pools = {make_pool("out", {"192.0.2.1", "192.0.2.2"})};
    const auto sources = make(nullptr);
    sources->failed("out", ip("192.0.2.1"));
    sources->failed("out", ip("192.0.2.2"));
    const auto first = take(*sources);
    const auto second = take(*sources);
    CHECK(first.ip() != second.ip());
}

TEST(sources, a_login_waits_for_names_that_were_never_looked_up)
{
    pools = {make_pool("out", {"out.example.com"})};
    const auto sources = make(nullptr);
    bool told = false;
    const auto wait = sources->wait("out", [&] { told = true; });
    CHECK(wait != nullptr);
    check_error(*sources, "out", v4_backend, {}, "is being looked up");
    resolver.callback(std::vector<Ip>{ip("192.0.2.9")});
    CHECK_TRUE(told);
    CHECK(take(*sources).ip() == ip("192.0.2.9"));
    CHECK(sources->wait("out", [] {}) == nullptr);
}

TEST(sources, a_name_that_changes_its_address_changes_the_choice)
{
    pools = {make_pool("out", {"out.example.com"})};
    const auto sources = make_sharing();
    const auto wait = sources->wait("out", [] {});
    resolver.callback(std::vector<Ip>{ip("192.0.2.9")});
    const auto held = take(*sources);
    now += pools[0].refresh;
    CHECK(take(*sources).ip() == ip("192.0.2.9"));
    resolver.callback(std::vector<Ip>{ip("192.0.2.10")});
    CHECK(take(*sources).ip() == ip("192.0.2.10"));
}

TEST(sources, of_words_with_a_question_mark_the_kernel_is_asked)
{
    pools = {make_pool("out", {"127.0.0.1", "192.0.2.1"})};
    for (Source_word &word : pools[0].words)
        word.only_assigned = true;
    const auto sources = make(nullptr);
    for (int i = 0; i < 10; i++)
        CHECK(take(*sources).ip() == ip("127.0.0.1"));
}

TEST(sources, ten_thousand_connections_of_several_processes_are_spread_within_five_percent)
{
    pools = {make_pool("out", {"192.0.2.1", "192.0.2.2", "192.0.2.3", "192.0.2.4"})};
    std::vector<std::unique_ptr<Counting_process>> processes;
    for (int i = 0; i < 5; i++) {
        processes.push_back(std::make_unique<Counting_process>([this] {
            const std::shared_ptr<Sources> sources = make_sharing();
            auto leases = std::make_shared<std::vector<Source_lease>>();
            for (int login = 0; login < 2000; login++)
                leases->push_back(take(*sources));
            return leases;
        }));
    }
    for (const auto &process : processes)
        process->wait_until_done();
    const auto sources = make_sharing();
    std::vector<Source_lease> probes;
    std::vector<Ip> tried;
    std::uint32_t all = 0;
    while (tried.size() < 4) {
        probes.push_back(take(*sources, v4_backend, tried));
        tried.push_back(probes.back().ip());
        all += probes.back().used();
        CHECK(probes.back().used() >= 2375 && probes.back().used() <= 2625);
    }
    LONGS_EQUAL(10'000, all);
}

TEST(sources, processes_that_live_for_one_login_are_spread_too)
{
    pools = {make_pool("out", {"192.0.2.1", "192.0.2.2", "192.0.2.3", "192.0.2.4"})};
    std::vector<std::unique_ptr<Counting_process>> processes;
    for (int i = 0; i < 40; i++) {
        processes.push_back(std::make_unique<Counting_process>(
            [this] { return std::make_shared<Source_lease>(take(*make_sharing())); }));
        processes.back()->wait_until_done();
    }
    LONGS_EQUAL(10, take(*make_sharing()).used());
    for (std::size_t i = 0; i < 30; i++)
        processes[i]->kill_it();
    const auto sources = make_sharing();
    std::uint32_t used = 10;
    for (int second = 0; second < 60 && used > 3; second++) { // a part of the dead each time
        now += 1000;
        used = take(*sources).used();
    }
    CHECK(used <= 3);
}

TEST(sources, whatever_stands_in_the_shared_file_only_addresses_of_the_pool_are_given)
{
    pools = {make_pool("out", {"192.0.2.1", "192.0.2.2", "2001:db8::1"})};
    const auto sources = make_sharing();
    static_cast<void>(take(*sources));
    const int fd = open(folder.path().c_str(), O_RDWR | O_CLOEXEC);
    auto *const words = static_cast<std::atomic<std::uint64_t> *>(
        mmap(nullptr, sizeof(usage::Layout), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
    close(fd);
    CHECK(words != MAP_FAILED);
    std::mt19937_64 random(9);
    for (int round = 0; round < 20; round++) {
        for (std::size_t i = 0; i < sizeof(usage::Layout) / 8; i++)
            words[i] = random();
        const auto later = make_sharing(); // its places are found in the rubbish
        for (Sources *one : {sources.get(), later.get()}) {
            for (int i = 0; i < 50; i++) {
                const auto lease = take(*one);
                CHECK(lease.ip() == ip("192.0.2.1") || lease.ip() == ip("192.0.2.2"));
                CHECK(take(*one, v6_backend).ip() == ip("2001:db8::1"));
            }
        }
        now += 1000;
    }
    munmap(words, sizeof(usage::Layout));
}
