// The addresses of a mirror that is named by a host name. The name is looked up in a thread of its
// own, so that a slow DNS server holds up neither the loop nor the thread that asks the mirror.
#pragma once

#include "../core/result.h"

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace proxymap {

class Host_addresses {
  public:
    // A numeric host is its own address and is never looked up.
    explicit Host_addresses(const std::string &host);

    bool fixed() const; // numeric

    // What is known, in the resolver's order; looked up again in the background when it is older
    // than a minute. When nothing is known yet, waits for it, but at most msecs.
    // Numeric addresses, at least one and at most eight. Error: the resolver's reason.
    Result<std::vector<std::string>> get(std::uint32_t msecs);

  private:
    struct State;
    std::shared_ptr<State> state_; // shared with the look-up that may be under way
};

} // namespace proxymap
