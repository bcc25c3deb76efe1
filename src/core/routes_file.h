// Routes files: one record a line, `#` comments, blank lines. All or nothing.
#pragma once

#include "record.h"

#include <functional>
#include <istream>
#include <string>
#include <vector>

namespace proxymap {

struct Line_error {
    std::uint64_t line;
    std::string message;
};

struct Routes_file_errors {
    std::vector<Line_error> first; // at most 20
    std::uint64_t count = 0;
};

// Reads line by line and keeps nothing but the names (some 60 bytes each, see seen_names.h); hands
// every good record to `each`. Finds syntax errors, two records of one kind and name (also by
// case), and, at the end, backends that are named but absent both from the file and from
// `known_backend`. Returns the number of records; the caller must take nothing over when
// errors_r->count > 0.
std::uint64_t read_routes(std::istream &in, Key_case key_case,
                          const std::function<bool(const std::string &backend)> &known_backend,
                          const std::function<void(Record &&)> &each, Routes_file_errors *errors_r);

} // namespace proxymap
