// The file by which a replica begins, as `export --positions` prints it: the records of one moment,
// each with the position at which it was written, between a first line that says which moment that
// is and a last one without which the file is not whole.
//
//   # proxymap replica at 4b1f0c2e9a7d5386.1.7
//   user john backend=b1 pos=4b1f0c2e9a7d5386.1.3
//   # end of 1 records
#pragma once

#include "position.h"
#include "record.h"
#include "result.h"
#include "text_input.h"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace proxymap {

// With their line ends.
std::string replica_file_start(const Position &position);
std::string replica_file_end(std::uint64_t records);

class Replica_file_reader {
  public:
    // in must outlive it.
    Replica_file_reader(Text_input &in, Key_case key_case) : in_(in), key_case_(key_case) {}

    // To be called once, first.
    Result<Position> start();
    struct Entry {
        Record record;
        std::string_view text; // as it is stored; valid until the next call
    };
    // Nothing: it was the whole file. After an error it is of no use any more.
    Result<std::optional<Entry>> next();

    std::uint64_t line() const { return line_; } // of what was read last, from 1
    std::uint64_t records() const { return records_; }

  private:
    std::optional<std::string_view> read_line();

    Text_input &in_;
    const Key_case key_case_;
    Position position_;
    std::uint64_t line_ = 0;
    std::uint64_t records_ = 0;
};

} // namespace proxymap
