// The shared counts of source addresses with any bytes in them: choices stay within the pool,
// counts come back, and nothing crashes or hangs. The input is laid over the shared memory again
// and again: header, hints, keys, counters and rows.
#include "login-proxy-ext/source_family.h"
#include "login-proxy-ext/usage_counts.h"

#include "check.h"

#include <algorithm>
#include <cstring>
#include <memory>
#include <vector>

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

using namespace proxymap;

namespace {

const std::string path = "/dev/shm/proxymap-usage-fuzz-" + std::to_string(getpid());

void remove_files()
{
    unlink(path.c_str());
    unlink((path + ".lock").c_str());
}

struct Target {
    Target()
    {
        std::atexit(remove_files);
        counts = *Usage_counts::open(path);
        const int fd = open(path.c_str(), O_RDWR | O_CLOEXEC);
        memory = static_cast<unsigned char *>(
            mmap(nullptr, sizeof(usage::Layout), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
        close(fd);
        for (int i = 1; i <= 3; i++)
            candidates.push_back({*parse_ip("192.0.2." + std::to_string(i)), 0, false});
    }
    // What comes before the counters, and the rows, are where bytes mean the most.
    void overlay(const std::uint8_t *data, std::size_t size) const
    {
        const std::size_t starts[] = {
            0, offsetof(usage::Layout, next_sweep), offsetof(usage::Layout, sources),
            offsetof(usage::Layout, destinations), offsetof(usage::Layout, rows)};
        for (const std::size_t start : starts)
            std::memcpy(memory + start, data, std::min(size, sizeof(usage::Layout) - start));
    }

    std::shared_ptr<Usage_counts> counts;
    unsigned char *memory;
    std::vector<Source_candidate> candidates;
    std::uint64_t now = 1;
};

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t *data, std::size_t size)
{
    static Target target;
    static std::uint64_t turn = 0;
    target.overlay(data, size);
    Source_family family(target.candidates, false, {}, *target.counts);
    std::vector<Usage_counts::Lease> leases;
    for (std::uint16_t port = 1; port <= 40; port++) {
        target.now += 700;
        const Usage_counts::Row row =
            family.row(*target.counts, target.candidates[0].ip, port, target.now);
        const std::size_t i =
            family.choose(Choose::least_used, row, target.candidates[0].ip, "joe", &turn);
        fuzz::check(i < target.candidates.size(), "a choice is one of the pool");
        leases.push_back(target.counts->count(row, i));
        if (port % 8 == 0) {
            target.overlay(data, size);
            target.counts->reclaim();
        }
    }
    leases.clear();
    return 0;
}
