// A number that processes differ by: where to begin, not a secret. (std::random_device asks the
// processor what it is, which costs a virtual machine 50 us, and a login process is started for
// every login with service_count = 1.)
#pragma once

#include "clock.h"

#include <cstdint>
#include <sys/random.h>

namespace proxymap {

inline std::uint64_t any_number()
{
    std::uint64_t number = 0;
    if (getrandom(&number, sizeof(number), GRND_NONBLOCK) != sizeof(number))
        number = monotonic_ns();
    return number;
}

} // namespace proxymap
