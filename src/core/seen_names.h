// The names of a routes file so far, and the line on which each first stood.
//
// Keeps the names themselves and not only hashes of them: a routing table's names are about as
// long as a hash that could be trusted, and only comparing names never reports a duplicate that is
// none. All of them lie in one string; a name costs its own bytes and 35 to 50 more, so that a
// million users take some 60 MB while the tool imports.
#pragma once

#include "record.h"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace proxymap {

class Seen_names {
  public:
    // 0: this is the first record of that kind and name. Else the line of the first one.
    // line: from 1. The name must be folded and at most max_name_bytes.
    std::uint64_t add(Kind kind, std::string_view name, std::uint64_t line);
    bool contains(Kind kind, std::string_view name) const;

  private:
    struct Slot {
        std::uint64_t entry = 0; // offset in entries_ plus 1; 0: the slot is free
        std::uint64_t hash = 0;
    };
    // The slot of that name, or the free one in which it would go.
    std::size_t find_slot(Kind kind, std::string_view name, std::uint64_t hash) const;
    void grow();

    std::vector<Slot> slots_; // open addressing, a power of two, at most three quarters full
    std::size_t used_ = 0;
    std::string entries_; // line, length, kind, name: one after the other
};

} // namespace proxymap
