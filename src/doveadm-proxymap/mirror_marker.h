// What a memcached mirror says that it holds, before anything is written to it.
#pragma once

#include "core/position.h"
#include "core/result.h"
#include "core/settings.h"

#include <string>

namespace proxymap {

// Blocks, for seconds at most. A mirror without a marker holds nothing: an unknown position, not
// complete. A marker that is not understood is an error: who knows what stands beside it. Errors
// begin with the mirror's name.
Result<Marker> read_mirror_marker(const Store_address &address, const std::string &name_space);

} // namespace proxymap
