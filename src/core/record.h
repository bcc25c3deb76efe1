// A record: one line of the map, `kind name field=value ...`, the same text in a routes file,
// in memcached, in LMDB and in an export.
//
// Text from outside is refused as a whole when any part of it is not understood: a record is
// never half read.
#pragma once

#include "field.h"
#include "position.h"
#include "result.h"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace proxymap {

enum class Kind : std::uint8_t { user, domain, default_route, backend };

std::optional<Kind> parse_kind(std::string_view word); // user domain default backend
std::string_view to_string(Kind kind);

// How names are compared: Dovecot folds login names to lower case by default.
enum class Key_case : std::uint8_t { lower, keep };

struct Record_field {
    Field_id id;
    Service service;
    std::string suffix; // of forward_team: "team"; empty otherwise
    std::string value;

    std::string name() const; // "port.imap", "forward_team"
    bool operator==(const Record_field &) const = default;
};

struct Record {
    Kind kind;
    std::string name; // folded by Key_case; "*" for the default record
    std::vector<Record_field> fields;
    Position position; // when it was written; zero in a routes file

    // The field for this service: `port.imap` before `port`. Null when absent.
    const std::string *find(Field_id id, Service service) const;
};

using Record_ref = std::shared_ptr<const Record>;

// One line as an admin writes it: `user john backend=b1`. Words are separated by blanks; a value
// with blanks, quotes or nothing in it is quoted ("..."; \" and \\ inside). Checks every rule:
// kinds, names, closed list of fields, values, sizes, a field twice, fields that make no sense
// together. No position and no seal may stand in it.
Result<Record> parse_record(std::string_view line, Key_case key_case);

// As above, plus the trailer `pos=<table>.<epoch>.<sequence>` and an optional ` seal=...` (kept in
// seal_r, not checked here) that the tool adds when it writes a record to a store.
// seal_r views into the text.
struct Stored_record {
    Record record;
    std::string_view seal;        // "<key id>:<mac>", empty without one
    std::string_view signed_text; // what the seal covers: all before ` seal=`
};
Result<Stored_record> parse_stored_record(std::string_view text, Key_case key_case);

// Kind and name alone, `user john`, as a journal names a record. Exactly what format_record()
// writes of a record without fields; the name must be folded already.
Result<Record> parse_record_name(std::string_view text);

// The canonical text: fields in the order of the record, quoted where needed. Exactly what
// parse_record reads back. Without position.
std::string format_record(const Record &record);
// With ` pos=...`: the record's, or that one. text: format_record()'s.
std::string format_stored_record(const Record &record);
std::string format_stored_record(std::string_view text, const Position &position);
std::string format_stored_record(const Record &record, const Position &position);

// Whether a login name can be the name of a record at all: 1 to max_name_bytes bytes and no
// control character. Where not, no record can exist: a proven miss.
bool is_possible_name(std::string_view name);

std::string fold_name(std::string_view name, Key_case key_case); // ASCII only, as Dovecot's %Lu
bool is_folded(std::string_view name, Key_case key_case);        // folding would change nothing

// Folds the record's name and the backends that it names. parse_record() does so itself.
void fold_record(Record &record, Key_case key_case);

} // namespace proxymap
