// What stands under one key of a mirror: a record, or two versions of it while a transaction is
// under way, so that one write, the marker's, puts the new ones of all keys in force at once.
//
//   user john backend=b1 pos=00000000000000ab.1.41
//   user john deleted pos=00000000000000ab.1.42
//
// Each line is a stored record (record.h) or a tombstone, with a seal of its own when there are
// seal keys. MUST never guess: whatever is not understood refuses the whole value.
#pragma once

#include "record.h"

#include <optional>
#include <string>
#include <string_view>

namespace proxymap {

// One line. The views are into the text.
struct Stored_version {
    Record record;        // a tombstone's has no fields
    bool deleted = false; // a tombstone: there is no such record
    std::string_view seal;
    std::string_view signed_text; // all before ` seal=`
};

struct Stored_value {
    Stored_version first;
    std::optional<Stored_version> second; // newer than first
};

// The value under the key of just this kind and (folded) name. Errors name no byte of a value.
Result<Stored_value> parse_stored_value(std::string_view text, Kind kind, std::string_view name,
                                        Key_case key_case);

// The version that is in force in a mirror whose marker, of the same reply, is at this position
// (null: it has none that can be read). One version alone always is.
Result<Stored_version *> choose_version(Stored_value &value, const Position *marker);

// The start of a stored record's text that names it: "user john".
std::string_view stored_name(std::string_view text);

// "user john deleted pos=...". name: as the record's text begins, "user john".
std::string make_tombstone(std::string_view name, const Position &position);

} // namespace proxymap
