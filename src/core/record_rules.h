// Which records make sense. Used by the parser alone; everybody else gets only records that do.
#pragma once

#include "record.h"

namespace proxymap {

// The name as such, for this kind.
Result<Done> check_record_name(Kind kind, const std::string &name);

// The fields together: which kind holds which, and which needs another beside it. Whether the
// settings allow a field is not looked at here, but where the route is resolved.
Result<Done> check_record_fields(const Record &record);

} // namespace proxymap
