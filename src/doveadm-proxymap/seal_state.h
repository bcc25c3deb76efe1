// Whether what a mirror holds under a key is sealed, in a word for the admin.
#pragma once

#include "core/configuration.h"
#include "core/route.h"

#include <string>
#include <string_view>

namespace proxymap {

// good, bad, unchecked (it has a seal, and there are no seal keys here), none, or unknown: no
// record of that position is there. value: what stands there; of two versions the one of that
// position.
std::string_view seal_state(std::string_view value, const Key &key, const Position &position,
                            const Configuration &configuration);

} // namespace proxymap
