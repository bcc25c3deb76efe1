// What this process has added to the shared counters, written down where others can take it back
// when this process is killed.
//
// A row of the ledger is alive while somebody holds a lock on its byte of the FIFO. The kernel
// gives locks back however a process ends, and unlike a PID a lock cannot come to belong to another
// one. They are locks of the open file description (F_OFD_SETLK): a process must have opened the
// FIFO itself, for children would share the description, and with it the rows.
//
// What it says is never less than what is in the counters, so a kill between the two makes a
// counter too low, which ends as soon as the address is unused, and never too high for good.
#pragma once

#include "usage_file.h"

#include <bitset>
#include <cstdint>
#include <unordered_map>
#include <vector>

namespace proxymap::usage {

class Ledger {
  public:
    explicit Ledger(File &file); // outlives the ledger
    ~Ledger();                   // gives back what is still counted, and the rows
    Ledger(const Ledger &) = delete;
    Ledger &operator=(const Ledger &) = delete;

    // Whether one more cell can be written down; takes a row for it when none is left. Where no row
    // is free it is asked again a second later. now: CLOCK_MONOTONIC, ms.
    bool has_room(std::uint64_t now);

    // After has_room(). Also adds one to the counter of the cell.
    void add(std::uint32_t cell);
    // What add() did before.
    void remove(std::uint32_t cell);

    // Takes back what dead processes had counted. A part of the rows each time: at most once a
    // second on the whole host, and for at most 200 us or one look at each row.
    void sweep_if_due(std::uint64_t now);
    // All rows, now.
    void sweep_all();

  private:
    struct Entry {
        std::uint32_t cell = 0;
        std::uint32_t count = 0;
        bool idle = false; // in idle_
        std::atomic<std::uint64_t> *written = nullptr;
    };
    Counter &counter(std::uint32_t cell);
    void write(const Entry &entry);
    bool lock_row(std::uint32_t row, short type);
    bool take_row();
    void drain(std::uint32_t row);
    void give_back(std::uint32_t row);
    void sweep(std::uint64_t budget_ns);

    File &file_;
    std::bitset<max_rows> own_rows_;
    std::vector<Entry> entries_;
    std::unordered_map<std::uint32_t, std::uint32_t> by_cell_; // index of entries_
    std::vector<std::uint32_t> idle_; // with a count of 0, most of them: the next to be used anew
    std::uint64_t full_until_ = 0;
    std::uint64_t random_;
};

} // namespace proxymap::usage
