// The columns of a table of routes, as its header names them: a key, and fields.
//
// The key is the column `user` or `domain`, or `name` with `kind` beside it. Beside `name` and
// `kind`, `user` is the field of that name.
#pragma once

#include "record.h"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace proxymap {

class Columns {
  public:
    // The header's cells. The error names the column and says what is allowed.
    static Result<Columns> parse(const std::vector<std::string> &header);

    std::size_t size() const { return names_.size(); }

    // A row's cells, of which there must be size(); nothing in a cell: the record has no such
    // field.
    Result<Record> record(std::vector<std::optional<std::string>> &&cells) const;

  private:
    std::vector<std::string> names_;
    std::optional<std::size_t> name_; // the index of the key's column
    std::optional<std::size_t> kind_column_;
    Kind kind_ = Kind::user; // without such a column
};

} // namespace proxymap
