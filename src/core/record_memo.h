// Contents of records that were read before: a million users of one backend all say `backend=b1`,
// and need not be parsed a million times.
//
// MUST find exactly what parsing would: a text that is not in every part known to be right is
// parsed as a whole.
#pragma once

#include "record.h"

#include <array>
#include <memory>
#include <string>
#include <string_view>

namespace proxymap {

// A stored record without its name, which is the one that was asked for.
struct Read_record {
    Record_ref content; // name and position empty: shared with others that say the same
    Position position;
    std::string_view seal;        // as in Stored_record
    std::string_view signed_text; // as in Stored_record
};

// Of one key_case. One thread only; what it hands out may go to others.
class Record_memo {
  public:
    explicit Record_memo(Key_case key_case) : key_case_(key_case) {}

    // As parse_stored_record() reads it. An error, too, when it is not of that kind and name.
    Result<Read_record> read(std::string_view text, Kind kind, std::string_view name);

  private:
    // Records that say a lot say it of one user: they are not kept.
    static constexpr std::size_t max_text_bytes = 128;
    static constexpr std::size_t slots = 512;
    struct Slot {
        std::string text; // of the fields
        Record_ref content;
    };

    Slot &slot_of(Kind kind, std::string_view text);

    Key_case key_case_;
    std::array<Slot, slots> slots_;
};

} // namespace proxymap
