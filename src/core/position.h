// Position: where in the life of a table something was written.
#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace proxymap {

// Positions compare only within one table; a higher epoch (promote) beats any sequence.
struct Position {
    std::uint64_t table = 0; // random id of the table; 0: none
    std::uint32_t epoch = 0;
    std::uint64_t sequence = 0;

    bool operator==(const Position &) const = default;
    bool known() const { return table != 0; }
    // A table that was created, and never written to, is at sequence 0: it proves nothing.
    bool written() const { return sequence != 0; }
    // Only for positions of one table.
    bool older_than(const Position &other) const
    {
        return epoch != other.epoch ? epoch < other.epoch : sequence < other.sequence;
    }
};

std::string format_position(const Position &position);         // "<16 hex>.<epoch>.<sequence>"
std::optional<Position> parse_position(std::string_view text); // nothing but that

enum class Mirror_state : std::uint8_t {
    complete, // holds the whole map at this position
    loading,  // is being filled from empty: what it has is good, what it has not proves nothing
    behind,   // is being brought up from an older content: nothing of it is good meanwhile
};

// A mirror's statement of what it holds, the value of the key `<namespace>:marker`:
// "v1 pos=<position> state=complete|loading|behind". Only a complete one proves anything.
struct Marker {
    Position position;
    Mirror_state state = Mirror_state::loading;
    bool complete() const { return state == Mirror_state::complete; }
    bool operator==(const Marker &) const = default;
};

std::string format_marker(const Marker &marker);
std::optional<Marker> parse_marker(std::string_view text);

} // namespace proxymap
