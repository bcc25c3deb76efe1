// What doveconf(1) says of the configuration that doveadm runs with (`doveadm -c`).
#pragma once

#include <optional>
#include <string>
#include <vector>

namespace proxymap {

// Its standard output when it is given these words behind `-c FILE`. Nothing: it could not be run,
// or the configuration has an error.
std::optional<std::string> doveconf_output(std::vector<std::string> words);

} // namespace proxymap
