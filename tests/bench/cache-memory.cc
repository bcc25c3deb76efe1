// cache-memory: what a cached route costs in bytes and in time, from 10^3 to 10^6 users, and
// whether the cache stays under its ceiling. Prints one line of JSON for each measurement; exits 1
// when a ceiling was broken or a route that must be there was not found.
//
// Each measurement has a process of its own, so that the resident size is that of one cache and
// not of what malloc kept from the one before.
#include "core/cache.h"

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <functional>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include <malloc.h>
#include <sys/wait.h>
#include <unistd.h>

using namespace proxymap;

namespace {

constexpr std::uint64_t now_ms = 1'000'000;
constexpr std::uint64_t backends = 16;

std::string user_name(std::uint64_t number)
{
    return "user" + std::to_string(number) + "@example.com";
}

// The usual record: it names a backend and nothing else.
Record_ref user_record(std::uint64_t number)
{
    const std::string line =
        "user " + user_name(number) + " backend=b" + std::to_string(number % backends);
    Result<Record> record = parse_record(line, Key_case::lower);
    if (!record) {
        std::fprintf(stderr, "cache-memory: %s\n", record.error().message.c_str());
        std::exit(1);
    }
    return std::make_shared<const Record>(std::move(*record));
}

std::uint64_t resident_bytes()
{
    malloc_trim(0);
    std::uint64_t total = 0;
    std::uint64_t resident = 0;
    std::ifstream("/proc/self/statm") >> total >> resident;
    return resident * static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE));
}

std::uint64_t grown(std::uint64_t before, std::uint64_t after)
{
    return after > before ? after - before : 0;
}

double nanoseconds_each(std::uint64_t count, const std::function<void()> &work)
{
    const auto begin = std::chrono::steady_clock::now();
    work();
    const std::chrono::duration<double, std::nano> took = std::chrono::steady_clock::now() - begin;
    return took.count() / static_cast<double>(count);
}

// Finds users in random order; the names are made beforehand, for they come with the login.
// Returns the median of five rounds in ns a find, or a negative number when one was not found.
double find_cost(Cache &cache, std::uint64_t users)
{
    constexpr std::uint64_t finds = 200'000;
    std::mt19937_64 random(1);
    std::uniform_int_distribution<std::uint64_t> any(0, users - 1);
    std::vector<std::string> names;
    for (std::uint64_t i = 0; i < finds; ++i)
        names.push_back(user_name(any(random)));

    bool all_found = true;
    std::vector<double> rounds;
    for (int round = 0; round < 5; ++round)
        rounds.push_back(nanoseconds_each(finds, [&] {
            for (const std::string &name : names) {
                Cache_hit hit{};
                all_found = cache.find(Kind::user, name, now_ms, &hit) && all_found;
            }
        }));
    std::sort(rounds.begin(), rounds.end());
    return all_found ? rounds[2] : -1;
}

bool measure_size(std::uint64_t users)
{
    const std::uint64_t before = resident_bytes();
    Cache cache(Cache_limits{.bytes = 4ULL << 30U});
    const double put = nanoseconds_each(users, [&] {
        for (std::uint64_t i = 0; i < users; ++i)
            cache.put_found(Kind::user, user_name(i), user_record(i), now_ms);
    });
    const Cache_stats stats = cache.stats();
    const std::uint64_t resident = grown(before, resident_bytes());
    const double find = find_cost(cache, users);
    const auto per_route = [&](std::uint64_t bytes) {
        return static_cast<double>(bytes) / static_cast<double>(users);
    };
    std::printf("{\"measured\":\"size\",\"users\":%llu,\"entries\":%llu,\"cache_bytes\":%llu,"
                "\"bytes_per_route\":%.1f,\"resident_per_route\":%.1f,\"put_ns\":%.0f,"
                "\"find_ns\":%.0f}\n",
                static_cast<unsigned long long>(users),
                static_cast<unsigned long long>(stats.found_entries),
                static_cast<unsigned long long>(stats.bytes), per_route(stats.bytes),
                per_route(resident), put, find);
    return stats.found_entries == users && find >= 0;
}

// Pours routes and misses, far more than fit, into a cache with a ceiling.
bool measure_ceiling(std::uint64_t bytes, std::uint64_t users)
{
    const std::uint64_t before = resident_bytes();
    Cache cache(Cache_limits{.bytes = bytes});
    std::uint64_t most = 0;
    for (std::uint64_t i = 0; i < users; ++i) {
        cache.put_found(Kind::user, user_name(i), user_record(i), now_ms);
        cache.put_missing(Kind::user, "absent" + std::to_string(i), now_ms);
        if (i % 256 == 0)
            most = std::max(most, cache.stats().bytes);
    }
    const Cache_stats stats = cache.stats();
    most = std::max(most, stats.bytes);
    const std::uint64_t resident = grown(before, resident_bytes());
    // What malloc adds of its own is allowed, but not unlimited.
    const std::uint64_t resident_allowed = bytes + bytes / 10 + (1U << 20U);
    const bool honoured = most <= bytes && resident <= resident_allowed;
    std::printf("{\"measured\":\"ceiling\",\"ceiling\":%llu,\"users\":%llu,\"most_bytes\":%llu,"
                "\"resident\":%llu,\"found_entries\":%llu,\"missing_entries\":%llu,"
                "\"evictions\":%llu,\"honoured\":%s}\n",
                static_cast<unsigned long long>(bytes), static_cast<unsigned long long>(users),
                static_cast<unsigned long long>(most), static_cast<unsigned long long>(resident),
                static_cast<unsigned long long>(stats.found_entries),
                static_cast<unsigned long long>(stats.missing_entries),
                static_cast<unsigned long long>(stats.evictions), honoured ? "true" : "false");
    return honoured;
}

bool in_own_process(const std::function<bool()> &work)
{
    std::fflush(stdout);
    const pid_t child = fork();
    if (child == 0) {
        const bool good = work();
        std::fflush(stdout);
        _exit(good ? 0 : 1);
    }
    int status = 0;
    return child > 0 && waitpid(child, &status, 0) == child && WIFEXITED(status) &&
           WEXITSTATUS(status) == 0;
}

} // namespace

int main(int argc, char *argv[])
{
    const bool quick = argc == 2 && std::strcmp(argv[1], "--quick") == 0;
    if (argc != 1 && !quick) {
        std::fputs("usage: cache-memory [--quick]\n", stderr);
        return 64;
    }
    const std::uint64_t most_users = quick ? 10'000 : 1'000'000;
    bool good = true;
    for (std::uint64_t users = 1000; users <= most_users; users *= 10)
        good = in_own_process([&] { return measure_size(users); }) && good;
    for (const std::uint64_t megabytes : {1U, 16U, 64U})
        good =
            in_own_process([&] { return measure_ceiling(megabytes << 20U, most_users); }) && good;
    return good ? 0 : 1;
}
