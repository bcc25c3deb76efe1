// Keeps a second writing command from the table, from the change until the last mirror has it.
// LMDB's own lock ends with the commit.
#pragma once

#include "core/result.h"

#include <chrono>
#include <functional>
#include <string>

namespace proxymap {

// Held as long as it lives, and gone with the process, however that ends.
class Table_lock {
  public:
    using Sleep = std::function<void(std::chrono::milliseconds)>;
    // Waits up to 5 seconds for another one: longer than a timer's `sync` or an admin's `set`
    // takes, and shorter than an admin takes to believe that it hangs. folder: the table's; it must
    // exist. The error names the process that holds the lock, when that is known.
    static Result<Table_lock> take(const std::string &folder, const Sleep &sleep = sleep_really);
    Table_lock(Table_lock &&other) noexcept;
    Table_lock &operator=(Table_lock &&) = delete;
    ~Table_lock();

  private:
    Table_lock() = default;
    static void sleep_really(std::chrono::milliseconds time);
    void sign() const;
    std::string holder() const;
    int fd_ = -1;
};

} // namespace proxymap
