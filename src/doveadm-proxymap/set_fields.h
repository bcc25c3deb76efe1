// What `set` and `backend` share: laying fields over a record of the table.
#pragma once

#include "common.h"

#include <string>
#include <vector>

namespace proxymap {

enum class Set_rule : unsigned char { any, must_be_new, must_exist };

// words: `name=value`. All checks of an import apply. Reports everything; returns the exit code.
int set_fields(const Configuration &configuration, const Key &key,
               const std::vector<std::string> &words, Set_rule rule, bool dry_run);

} // namespace proxymap
