// A file of records in whichever format, read as a whole: all or nothing.
#pragma once

#include "record_reader.h"
#include "record_sorter.h"

#include <functional>
#include <istream>
#include <string>
#include <vector>

namespace proxymap {

struct Line_error {
    std::uint64_t line;
    std::string message;
};

struct File_errors {
    std::vector<Line_error> first; // at most 20, those of the lowest lines
    std::uint64_t count = 0;
    void add(std::uint64_t line, std::string message);
};

// Reads record by record, and shows every good one to `each`, whose error counts as one of that
// line; its names are folded. Finds besides, at the end: two records of one kind and name (also by
// case), and backends that are named but absent both from the file and from known_backend. Memory
// does not grow with the file, but for the names of backends.
//
// Returns the number of records that `each` took; the caller must take nothing over when
// errors_r->count > 0. sorted: gets all of them, to be walked over by next() after rewind(). The
// error of the Result: they could not be kept.
Result<std::uint64_t>
read_records(Text_input &in, File_format format, Key_case key_case,
             const std::function<bool(const std::string &backend)> &known_backend,
             const std::function<Result<Done>(const Record &)> &each, Record_sorter &sorted,
             File_errors *errors_r);

} // namespace proxymap
