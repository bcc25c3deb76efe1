// Rows of the ledger: taking, writing, and taking back those of the dead; see usage_ledger.h.
//
// MUST: nothing that stands in the shared memory is believed. This process knows its own rows and
// counts by heart and only writes them there; of others' rows it believes a cell number and a count
// after a check of their range.
#include "usage_ledger.h"

#include "../core/any_number.h"
#include "../core/clock.h"

#include <algorithm>
#include <bit>
#include <cerrno>

#include <fcntl.h>
#include <unistd.h>

namespace proxymap::usage {

namespace {

constexpr std::uint64_t sweep_interval = 1000;     // ms
constexpr std::uint64_t sweep_budget = 200'000;    // ns
constexpr std::uint64_t forced_budget = 1'000'000; // ns, when no row is free
constexpr std::uint64_t retry_interval = 1000;     // ms
constexpr int max_lock_tries = 32;                 // for rows that look free and are not

} // namespace

Ledger::Ledger(File &file) : file_(file), random_(any_number()) {}

Ledger::~Ledger()
{
    for (const Entry &entry : entries_) {
        subtract(counter(entry.cell), entry.count);
        entry.written->store(0, std::memory_order_release);
    }
    for (std::uint32_t row = 0; row < max_rows; row++) {
        if (own_rows_[row])
            give_back(row);
    }
}

Counter &Ledger::counter(std::uint32_t cell)
{
    return file_.layout().counters[cell / max_sources % max_destinations][cell % max_sources];
}

void Ledger::write(const Entry &entry)
{
    entry.written->store(std::uint64_t{entry.cell} << 32U | entry.count, std::memory_order_release);
}

bool Ledger::lock_row(std::uint32_t row, short type)
{
    struct flock lock {};
    lock.l_type = type;
    lock.l_whence = SEEK_SET;
    lock.l_start = row;
    lock.l_len = 1;
    return fcntl(file_.lock_fd(), F_OFD_SETLK, &lock) == 0;
}

// Takes back what a row says; the caller has its lock. Subtracts before it forgets: killed between
// the two, the next one subtracts too much, and not nothing for ever.
void Ledger::drain(std::uint32_t row)
{
    for (auto &entry : file_.layout().rows[row]) {
        const std::uint64_t value = entry.load(std::memory_order_acquire);
        const std::uint64_t cell = value >> 32U;
        const std::uint64_t count = value & UINT32_MAX;
        if (cell < cells && count <= max_count)
            subtract(counter(static_cast<std::uint32_t>(cell)), static_cast<std::uint32_t>(count));
        entry.store(0, std::memory_order_release);
    }
}

// The row is locked by us, and drained.
void Ledger::give_back(std::uint32_t row)
{
    Layout &layout = file_.layout();
    layout.taken[row / 64].fetch_and(~(std::uint64_t{1} << row % 64), std::memory_order_release);
    lock_row(row, F_UNLCK);
    own_rows_[row] = false;
}

// A bit is only a hint: who has the lock has the row.
bool Ledger::take_row()
{
    Layout &layout = file_.layout();
    const std::size_t words = layout.taken.size();
    int tries = 0;
    for (std::size_t i = 0; i < words; i++) {
        auto &word = layout.taken[(random_ + i) % words];
        std::uint64_t free = ~word.load(std::memory_order_relaxed);
        while (free != 0) {
            const int bit = std::countr_zero(free);
            free &= free - 1;
            const std::uint64_t mask = std::uint64_t{1} << bit;
            if ((word.fetch_or(mask, std::memory_order_acquire) & mask) != 0)
                continue;
            const auto row = static_cast<std::uint32_t>((random_ + i) % words * 64) +
                             static_cast<std::uint32_t>(bit);
            if (own_rows_[row])
                continue;
            if (!lock_row(row, F_WRLCK)) {
                if (errno != EAGAIN && errno != EACCES)
                    return false;
                if (++tries >= max_lock_tries)
                    return false;
                continue;
            }
            own_rows_[row] = true;
            drain(row);                                     // nothing, unless its bit was wrong
            idle_.reserve(entries_.size() + entries_a_row); // so that remove() never allocates
            for (auto &entry : layout.rows[row]) {
                idle_.push_back(static_cast<std::uint32_t>(entries_.size()));
                entries_.push_back({0, 0, true, &entry});
            }
            return true;
        }
    }
    return false;
}

bool Ledger::has_room(std::uint64_t now)
{
    while (!idle_.empty() && entries_[idle_.back()].count != 0) {
        entries_[idle_.back()].idle = false;
        idle_.pop_back();
    }
    if (!idle_.empty())
        return true;
    // A clock that went back is no reason to wait longer.
    if (full_until_ > now && full_until_ - now <= retry_interval)
        return false;
    if (take_row())
        return true;
    sweep(forced_budget);
    if (take_row())
        return true;
    full_until_ = now + retry_interval;
    return false;
}

void Ledger::add(std::uint32_t cell)
{
    auto it = by_cell_.find(cell);
    if (it == by_cell_.end()) {
        // has_room() left an idle one on top.
        const std::uint32_t index = idle_.back();
        idle_.pop_back();
        Entry &entry = entries_[index];
        entry.idle = false;
        if (auto before = by_cell_.find(entry.cell);
            before != by_cell_.end() && before->second == index)
            by_cell_.erase(before);
        entry.cell = cell;
        it = by_cell_.emplace(cell, index).first;
    }
    Entry &entry = entries_[it->second];
    entry.count++;
    write(entry);
    add_one(counter(cell));
}

void Ledger::remove(std::uint32_t cell)
{
    const auto it = by_cell_.find(cell);
    if (it == by_cell_.end() || entries_[it->second].count == 0)
        return;
    Entry &entry = entries_[it->second];
    subtract(counter(cell), 1);
    entry.count--;
    write(entry);
    if (entry.count == 0 && !entry.idle) {
        entry.idle = true;
        idle_.push_back(it->second);
    }
}

void Ledger::sweep_if_due(std::uint64_t now)
{
    auto &next = file_.layout().next_sweep;
    std::uint64_t due = next.load(std::memory_order_relaxed);
    // Too far off is not what any of us wrote.
    if (due > now && due - now <= sweep_interval)
        return;
    if (next.compare_exchange_strong(due, now + sweep_interval, std::memory_order_relaxed))
        sweep(sweep_budget);
}

void Ledger::sweep_all()
{
    sweep(UINT64_MAX);
}

void Ledger::sweep(std::uint64_t budget_ns)
{
    Layout &layout = file_.layout();
    const std::uint64_t begin = monotonic_ns();
    const std::uint32_t from = layout.sweep_from.load(std::memory_order_relaxed) % max_rows;
    std::uint32_t looked_at = 0;
    while (looked_at < max_rows) {
        const std::uint32_t row = (from + looked_at) % max_rows;
        const std::uint64_t rest =
            layout.taken[row / 64].load(std::memory_order_relaxed) >> row % 64;
        if (rest == 0) {
            looked_at += 64 - row % 64;
            continue;
        }
        if ((rest & 1U) == 0) {
            looked_at += static_cast<std::uint32_t>(std::countr_zero(rest));
            continue;
        }
        looked_at++;
        // A lock on a row of our own would succeed.
        if (!own_rows_[row] && lock_row(row, F_WRLCK)) {
            drain(row);
            give_back(row);
        }
        if (monotonic_ns() - begin >= budget_ns)
            break;
    }
    layout.sweep_from.store((from + looked_at) % max_rows, std::memory_order_relaxed);
}

} // namespace proxymap::usage
