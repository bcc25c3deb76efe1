// The event loop, as the stores see it: a file descriptor that becomes readable, a time that
// comes. src/dovecot implements it on Dovecot's ioloop, the unit tests on poll(2).
// Everything happens in one thread; callbacks are never called from within these calls.
#pragma once

#include "../core/clock.h"

#include <cstdint>
#include <functional>
#include <memory>

namespace proxymap {

class Loop {
  public:
    // Destroying it ends the watch; allowed inside its own callback.
    class Watch {
      public:
        virtual ~Watch() = default;
    };
    using Callback = std::function<void()>;

    virtual ~Loop() = default;
    virtual std::unique_ptr<Watch> when_readable(int fd, Callback callback) = 0;
    // Once, after that many milliseconds.
    virtual std::unique_ptr<Watch> after(std::uint32_t msecs, Callback callback) = 0;
};

} // namespace proxymap
