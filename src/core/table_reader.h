// What csv and tsv share: a header, then rows.
#pragma once

#include "columns.h"
#include "record_reader.h"

#include <vector>

namespace proxymap {

// Longer than any record, with every byte of it escaped.
inline constexpr std::size_t max_row_bytes = 65536;

class Table_reader : public Record_reader {
  public:
    explicit Table_reader(Text_input &in) : in_(in) {}
    std::optional<Item> next() final;

  protected:
    struct Row {
        std::uint64_t line;
        Result<std::vector<std::optional<std::string>>> cells; // nothing: an empty one
        bool lost = false; // where the next row begins is unknown
    };
    // Nothing: the end.
    virtual std::optional<Row> read_row() = 0;

    Text_input &in_;
    std::uint64_t line_ = 1; // of what comes next

  private:
    Item give_up(std::uint64_t line, Error why);

    std::optional<Columns> columns_;
    bool ended_ = false;
};

} // namespace proxymap
