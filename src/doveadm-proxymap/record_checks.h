// Whether a record may stand in this table: what the parser cannot know.
#pragma once

#include "core/route.h"
#include "store/lmdb_table.h"

#include <cstdint>
#include <set>
#include <string>
#include <vector>

namespace proxymap {

// The plugin would refuse the record too, at each of its logins. allowed: the setting allow_fields.
Result<Done> check_permission(const Record &record, const std::set<Field_id> &allowed);

// Whether each backend that the record names exists. A table that cannot be read is no refusal:
// *failed_r is set then.
Result<Done> check_backends(Table &table, const Record &record, bool *failed_r);

// Whether the record names that backend, for any service, as its backend or its failover.
bool names_backend(const Record &record, const std::string &backend);

struct Backend_users {
    std::uint64_t count = 0;
    std::vector<std::string> first; // at most 5, as `user john`
};
// Records of all kinds that name it. Walks over the whole table.
Result<Backend_users> users_of_backend(Table &table, const std::string &backend);

} // namespace proxymap
