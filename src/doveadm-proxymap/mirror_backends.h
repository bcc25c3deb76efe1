// The backend records of a mirror, for a host that has no table. Blocks.
#pragma once

#include "core/configuration.h"
#include "core/record.h"

#include <vector>

namespace proxymap {

// In force now, by name. Error: the mirror cannot name its keys, or one of these is not to be read.
Result<std::vector<Record>> read_mirror_backends(const Store_address &address,
                                                 const Settings &settings);

} // namespace proxymap
