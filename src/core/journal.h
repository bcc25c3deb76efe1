// The journal: which records each transaction of the table changed, by name. Stands in the table
// under `log:...` and in a mirror under `<namespace>:log:<sequence>`.
//
// The text is a line `time 1763887336`, in seconds since 1970 by the clock of the table's host,
// which is for the admin alone: nothing is decided by it. Then one line a record, `user john`,
// quoted as in a record; or the one line `reset`, when they are too many to be named: anything may
// have changed then.
#pragma once

#include "position.h"
#include "result.h"
#include "route.h"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace proxymap {

// Of one transaction; more are a reset.
inline constexpr std::size_t max_journal_keys = 10'000;
// In a mirror: of one value, under what a memcached connection reads, and of one entry.
inline constexpr std::size_t max_journal_part_bytes = 60'000;
inline constexpr std::size_t max_journal_parts = 16;
// The newest entries that stay in a mirror.
inline constexpr std::uint64_t mirror_journal_entries = 1000;

inline constexpr std::string_view journal_reset = "reset\n";

// One line, with its end.
std::string format_journal_time(std::uint64_t time);
std::string format_journal_line(Kind kind, const std::string &name);

struct Journal_entry {
    bool reset = false;
    std::vector<Key> keys;
    std::uint64_t time = 0; // unknown: there is no such line
};
Result<Journal_entry> parse_journal_text(std::string_view text);

// The values of a mirror for the entry of that position: a first line `v1 pos=<position>
// parts=<n>`, the same in each, then lines of the text. At least one, at most max_journal_parts;
// longer is a reset.
std::vector<std::string> split_journal_entry(const Position &position, std::string_view text);

struct Journal_part {
    Position position;
    std::size_t parts = 0;
    std::string_view text; // whole lines
};
// One such value. Views into it.
Result<Journal_part> parse_journal_part(std::string_view value);

// Where they stand: `pm:log:42`, and from the second part on (part counts from 1) `pm:log:42:2`.
std::string journal_key(std::string_view name_space, std::uint64_t sequence, std::size_t part);

} // namespace proxymap
