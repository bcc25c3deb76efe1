// Keeps a second writing command from the table, from the change until the last mirror has it.
// LMDB's own lock ends with the commit.
#pragma once

#include "core/result.h"

#include <string>

namespace proxymap {

// Held as long as it lives, and gone with the process, however that ends.
class Table_lock {
  public:
    // Does not wait. folder: the table's; it must exist.
    static Result<Table_lock> take(const std::string &folder);
    Table_lock(Table_lock &&other) noexcept;
    Table_lock &operator=(Table_lock &&) = delete;
    ~Table_lock();

  private:
    Table_lock() = default;
    int fd_ = -1;
};

} // namespace proxymap
