// Patterns of names: * stands for any bytes, ? for one, [a-z] and [!a-z] for one of these (or none
// of these), \ takes the next byte as it is. As in a shell, but that a dot or slash is nothing
// special.
#pragma once

#include "result.h"

#include <string>
#include <string_view>

namespace proxymap {

class Glob {
  public:
    // The error says what is wrong: a [ without its ], a \ at the end.
    static Result<Glob> parse(std::string_view pattern);

    // The whole text. Takes no more than the product of both lengths.
    bool matches(std::string_view text) const;

  private:
    std::string pattern_;
};

} // namespace proxymap
