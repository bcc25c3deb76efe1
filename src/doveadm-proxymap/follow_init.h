// `follow --init`: makes this host's replica from an export of the table's host.
#pragma once

#include "core/configuration.h"

#include <string>

namespace proxymap {

// file: or - for standard input. All of it, or nothing. Reports the error; the exit code.
int make_replica(const Configuration &configuration, const std::string &file, bool dry_run);

} // namespace proxymap
