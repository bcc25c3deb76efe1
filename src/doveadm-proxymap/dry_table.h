// The table of a dry run: read as it is, or empty where there is none yet; what is written to it
// goes nowhere.
#pragma once

#include "store/lmdb_table.h"

#include <memory>

namespace proxymap {

// below: null where there is no table.
std::unique_ptr<Table> make_dry_table(std::unique_ptr<Table> below);

} // namespace proxymap
