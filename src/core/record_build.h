// Builds a record of parts that are known already: the cells of a table, the words of a command.
// What a routes file may not hold cannot be built: the parser (record_parse.cc) checks by these
// functions too.
#pragma once

#include "record.h"

#include <string>
#include <string_view>
#include <vector>

namespace proxymap {

struct Field_text {
    std::string name; // "host", "port.imap", "forward_team"
    std::string value;
};

// Name and value are checked; the value is brought to its canonical form. A field that the record
// holds already is an error.
Result<Done> add_field(Record &record, std::string_view name, std::string value);

// Replaces the field of that name, or adds it.
Result<Done> set_field(Record &record, std::string_view name, std::string value);

// Whether the record is one as a whole: its name, its fields together, its size.
Result<Done> check_record(const Record &record);

// A record at no position, folded by key_case. Errors are those of parse_record().
Result<Record> build_record(Kind kind, std::string name, std::vector<Field_text> fields,
                            Key_case key_case);

// The same fields with the same values, in whatever order: the order means nothing.
bool same_fields(const Record &a, const Record &b);

} // namespace proxymap
