// What the login processes of a host share: the layout of the file of usage_file.h.
//
// Every login process can write all of it at any time. So nothing here is ever an address, an
// index or a length that is used unchecked: keys only answer "is it this one", counters only
// compare, and a ledger is only ever subtracted, within bounds.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

namespace proxymap::usage {

// One of each pair that both sides of a choice see: 2048 sources to 1024 destinations (address and
// port) at a time. What finds no place is counted by each process for itself.
constexpr std::uint32_t max_sources = 2048;
constexpr std::uint32_t max_destinations = 1024;
constexpr std::uint32_t cells = max_sources * max_destinations;

// Each process has a row, a busy one several: a row is for 16 (source, destination) pairs.
constexpr std::uint32_t max_rows = 8192;
constexpr std::uint32_t entries_a_row = 16;

constexpr std::uint64_t magic = 0x70'6d'75'73'61'67'65'0a; // not by chance at the start of a file
constexpr std::uint32_t version = 1;                       // anything below changed: count it up

struct Header {
    std::uint64_t magic;
    std::uint32_t version;
    std::uint32_t size;        // of all
    std::uint64_t lock_device; // the FIFO whose locks say which rows are alive
    std::uint64_t lock_inode;
};

// A counter is at most 65,535 by its type: one source has no more ports to one destination.
using Counter = std::atomic<std::uint16_t>;
constexpr std::uint32_t max_count = UINT16_MAX;

struct Layout {
    Header header;
    // When the rows are looked through next for those of dead processes (CLOCK_MONOTONIC, ms), and
    // from which on.
    std::atomic<std::uint64_t> next_sweep;
    std::atomic<std::uint32_t> sweep_from;
    // A bit for each row that somebody has, or had when it was killed.
    alignas(64) std::array<std::atomic<std::uint64_t>, max_rows / 64> taken;
    // Hashes of what has this place; 0: free. Never given back: the file ends with the boot.
    alignas(4096) std::array<std::atomic<std::uint64_t>, max_sources> sources;
    std::array<std::atomic<std::uint64_t>, max_destinations> destinations;
    // By destination and then source: a choice reads one page.
    alignas(4096) std::array<std::array<Counter, max_sources>, max_destinations> counters;
    // What each process has added to the counters: cell << 32 | count.
    alignas(64) std::array<std::array<std::atomic<std::uint64_t>, entries_a_row>, max_rows> rows;
};

static_assert(Counter::is_always_lock_free && std::atomic<std::uint64_t>::is_always_lock_free);
static_assert(sizeof(Counter) == 2 && sizeof(std::atomic<std::uint64_t>) == 8);
static_assert(sizeof(Layout) <= std::size_t{6} << 20U, "all of it is reserved memory");

// Never below 0, whatever stands there: a count that was lost is no reason to starve an address.
inline void subtract(Counter &counter, std::uint32_t count)
{
    // Each failure means that somebody else changed it, so many in a row mean mischief.
    for (int tries = 0; tries < 64; tries++) {
        std::uint16_t now = counter.load(std::memory_order_relaxed);
        const auto after = static_cast<std::uint16_t>(now > count ? now - count : 0);
        if (counter.compare_exchange_weak(now, after, std::memory_order_relaxed))
            return;
    }
}

inline void add_one(Counter &counter)
{
    if (counter.fetch_add(1, std::memory_order_relaxed) == max_count)
        counter.store(max_count, std::memory_order_relaxed);
}

} // namespace proxymap::usage
