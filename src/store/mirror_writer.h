// Writes records to one memcached mirror, for the tool. Blocks; every error names the mirror.
#pragma once

#include "../core/seal.h"
#include "../core/settings.h"

#include <functional>
#include <memory>

namespace proxymap {

class Mirror_writer {
  public:
    static Result<std::unique_ptr<Mirror_writer>> connect(const Store_address &address,
                                                          const std::string &name_space,
                                                          const Seal_keys &seal_keys);
    virtual ~Mirror_writer() = default;
    // Sets the marker to `loading`, so that the mirror proves nothing until finish().
    virtual Result<Done> begin(const Position &position) = 0;
    virtual Result<Done>
    put(const Record &record) = 0; // with its position; sealed when keys are set
    virtual Result<Done> remove(Kind kind, const std::string &name) = 0;
    // All acknowledged, then the complete marker.
    virtual Result<Done> finish(const Position &position) = 0;
};

} // namespace proxymap
