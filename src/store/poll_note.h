// When this host's replica was last seen to be equal to the fleet's map: `doveadm proxymap follow`
// writes it down after each poll, and whoever reads the replica asks. A small file beside data.mdb,
// for a commit of LMDB each second would be two writes that the disk must finish.
//
// MUST never make a replica look current that nobody follows: the age is taken by two clocks, and
// the greater one counts. A clock that was set makes it look older until the next poll.
#pragma once

#include "../core/result.h"
#include "lmdb_files.h"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace proxymap {

// A replica that was not seen to be equal for so long proves no miss. Milliseconds.
inline constexpr std::uint64_t replica_proves_for = 10'000;

// Now, in milliseconds: of CLOCK_BOOTTIME, which a reboot sets to 0, and of CLOCK_REALTIME, which
// an admin may set.
struct Poll_clocks {
    std::uint64_t boot = 0;
    std::uint64_t wall = 0;
};
Poll_clocks poll_clocks();

// The file's content, always of the same length.
std::string format_poll_note(const Poll_clocks &at);
// Milliseconds since that content was written. Nothing: it is none, or of a time to come.
std::optional<std::uint64_t> poll_note_age(std::string_view text, const Poll_clocks &now);

class Poll_note {
  public:
    // folder: the replica's. Makes the file where there is none, readable for whoever may read
    // data.mdb.
    static Result<Poll_note> open(const std::string &folder);
    Result<Done> write(const Poll_clocks &now) const;

  private:
    Poll_note(Fd fd, std::string path) : fd_(std::move(fd)), path_(std::move(path)) {}
    Fd fd_;
    std::string path_;
};

// Of that folder's file, now. Costs an open and a read: to be asked once a second, not each lookup.
std::optional<std::uint64_t> read_poll_age(const std::string &folder);

} // namespace proxymap
