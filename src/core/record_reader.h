// Reads records one by one out of a file of whichever format.
//
//   routes  as parse_record() reads them; comments, blank lines
//   csv     RFC 4180, with a header: as psql --csv and sqlite3 -csv -header write a table
//   tsv     with a header, and the escapes of mysql -B
//   json    an object a line
#pragma once

#include "record.h"
#include "text_input.h"

#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>

namespace proxymap {

enum class File_format : std::uint8_t { routes, csv, tsv, json };

std::optional<File_format> parse_file_format(std::string_view word);
std::string_view to_string(File_format format);

// From the first line. Never consumes anything.
File_format guess_format(Text_input &in);

class Record_reader {
  public:
    struct Item {
        std::uint64_t line;    // where it begins, from 1
        Result<Record> record; // its names are not folded, at no position
    };

    virtual ~Record_reader() = default;
    // Nothing: the end, or that nothing behind the last error can be understood.
    virtual std::optional<Item> next() = 0;
};

// in must outlive the reader.
std::unique_ptr<Record_reader> make_record_reader(File_format format, Text_input &in);

// One of each, for make_record_reader().
std::unique_ptr<Record_reader> make_routes_reader(Text_input &in);
std::unique_ptr<Record_reader> make_csv_reader(Text_input &in);
std::unique_ptr<Record_reader> make_tsv_reader(Text_input &in);
std::unique_ptr<Record_reader> make_json_reader(Text_input &in);

} // namespace proxymap
