// What choosing a source address costs: Sources::take() and the end of its lease, for pools of
// different sizes and by each rule, with counts shared in a file; CPU time, medians. The floor is
// what stock Dovecot does with login_source_ips: the next address of a list, in turn, unless its
// family is another.
//
// Prints one line of JSON for each pool; `run` makes a table of them.
//
//   source-choice [folder for the shared file, default: /dev/shm]
#include "core/source_pool.h"
#include "login-proxy-ext/sources.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <string>
#include <vector>

#include <unistd.h>

using namespace proxymap;

namespace {

constexpr int rounds = 101;
constexpr int choices_a_round = 500;

// Of this process: what others do on the machine meanwhile is not counted.
double cpu_ns()
{
    timespec now{};
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return static_cast<double>(now.tv_sec) * 1e9 + static_cast<double>(now.tv_nsec);
}

Source_pool make_pool(int addresses, Choose choose)
{
    Source_pool pool;
    pool.name = std::string(to_string(choose)) + "-" + std::to_string(addresses);
    pool.choose = choose;
    for (int i = 0; i < addresses; i++) {
        const std::string text =
            "10.0." + std::to_string(i / 250) + "." + std::to_string(i % 250 + 1);
        pool.words.push_back({text, parse_ip(text), false});
    }
    return pool;
}

// The median of the rounds, in ns of CPU for one call.
template <typename Call> double measure(const Call &call)
{
    std::vector<double> times;
    for (int round = 0; round < rounds; round++) {
        const double begin = cpu_ns();
        for (int i = 0; i < choices_a_round; i++)
            call(i);
        times.push_back((cpu_ns() - begin) / choices_a_round);
    }
    std::sort(times.begin(), times.end());
    return times[times.size() / 2];
}

double stock(int addresses)
{
    const Source_pool pool = make_pool(addresses, Choose::round_robin);
    std::vector<Ip> ips;
    for (const Source_word &word : pool.words)
        ips.push_back(*word.ip);
    unsigned int next = 0;
    volatile unsigned char sink = 0;
    return measure([&](int) {
        for (std::size_t tries = 0; tries < ips.size(); tries++) {
            const Ip &ip = ips[next++ % ips.size()];
            if (!ip.v6) {
                sink = ip.bytes[3];
                break;
            }
        }
    });
}

} // namespace

int main(int argc, char **argv)
{
    const std::string path = std::string(argc > 1 ? argv[1] : "/dev/shm") +
                             "/proxymap-source-choice-" + std::to_string(getpid());
    auto counts = Usage_counts::open(path);
    if (!counts) {
        std::fprintf(stderr, "%s\n", counts.error().message.c_str());
        return EXIT_FAILURE;
    }
    constexpr Choose rules[] = {Choose::least_used, Choose::round_robin, Choose::hash_user,
                                Choose::hash_destination};
    constexpr int sizes[] = {4, 100, 1000};
    std::vector<Source_pool> pools;
    for (const int size : sizes) {
        for (const Choose rule : rules)
            pools.push_back(make_pool(size, rule));
    }
    Sources sources(pools, *counts, {});
    const Ip destination = *parse_ip("192.0.2.1");
    const std::vector<Ip> none_tried;
    for (const int size : sizes) {
        const double floor = stock(size);
        for (const Choose rule : rules) {
            const std::string name = std::string(to_string(rule)) + "-" + std::to_string(size);
            const double first_begin = cpu_ns();
            {
                auto first = sources.take(name, destination, 143, "joe@example.com", none_tried);
            }
            const double first = cpu_ns() - first_begin;
            // Some stay, as connections do.
            std::vector<Source_lease> held;
            held.reserve(1000);
            const double each = measure([&](int i) {
                auto lease = sources.take(name, destination, 143, "joe@example.com", none_tried);
                if (i % 100 == 0 && held.size() < held.capacity())
                    held.push_back(std::move(*lease));
            });
            std::printf("{\"addresses\":%d,\"choose\":\"%s\",\"ns\":%.1f,\"first_us\":%.1f,"
                        "\"stock_ns\":%.1f}\n",
                        size, std::string(to_string(rule)).c_str(), each, first / 1e3, floor);
        }
    }
    unlink(path.c_str());
    unlink((path + ".lock").c_str());
    return EXIT_SUCCESS;
}
