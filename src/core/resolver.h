// Looks names up without making anybody wait. Implemented on Dovecot's DNS client in src/dovecot,
// by hand in the unit tests.
#pragma once

#include "ip.h"
#include "result.h"

#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace proxymap {

class Resolver {
  public:
    // A look-up under way. Destroying it ends it without a call; allowed inside its own callback.
    class Lookup {
      public:
        virtual ~Lookup() = default;
    };
    // All addresses of the name, of both families, or why there are none. Comes once, and never
    // from within look_up(). Every look-up ends: the resolver has a time limit.
    using Callback = std::function<void(const Result<std::vector<Ip>> &)>;

    virtual ~Resolver() = default;
    virtual std::unique_ptr<Lookup> look_up(const std::string &name, Callback callback) = 0;
};

} // namespace proxymap
