// What moving a user makes of its record, step by step: on hold, on another backend, or as before.
// All but the backend and the state stays as it is.
#pragma once

#include "core/record.h"
#include "core/result.h"
#include "store/lmdb_table.h"

#include <cstdint>
#include <optional>
#include <string>

namespace proxymap {

// Whether the record names that backend as its own, for any service.
bool is_on(const Record &record, const std::string &backend);
// Whether it is on hold for all services.
bool is_on_hold(const Record &record);

Record put_on_hold(Record record);
// Without any state.
Record take_off_hold(Record record);
// Off hold, and on `to` wherever it was on `from`; from empty: on `to` for every service. An error:
// the record names a host, which goes before any backend.
Result<Record> move_to(Record record, const std::string &from, const std::string &to);

// The record that a user without one of its own needs to be moved alone: with all that the record
// of its domain, or the default one, says of it. Nothing: there is none of these either.
struct Inherited {
    Record record; // of kind user
    Kind kind;     // whose fields these are
    std::string name;
};
Result<std::optional<Inherited>> inherit_record(Table &table, const std::string &user);

// The longest time, in milliseconds, that the record lets a login take to connect; 0: it says none.
std::uint64_t longest_proxy_timeout(const Record &record);

} // namespace proxymap
