// Turns the records of a login into what Dovecot is told. Internal to core; resolve() is the door.
#pragma once

#include "credentials.h"
#include "record.h"
#include "result.h"
#include "route.h"
#include "settings.h"

namespace proxymap {

// Dovecot drops an auth reply over 8 KiB on master lookups (AUTH_MASTER_MAX_LINE_LENGTH) and the
// client over 16; its own fields need some room too.
inline constexpr std::size_t max_fields_bytes = 6U << 10U;

// A record and the name that it was asked for by. Not the record's own: what comes from the cache
// is shared by all records that say the same, and has none.
struct Named_record {
    std::string_view name;
    const Record *record = nullptr;
    explicit operator bool() const { return record != nullptr; }
    const Record *operator->() const { return record; }
};

// Fills route_r from the record that decided, its backend record (none: it names a host itself)
// and the settings. The error is a whole sentence for the log and holds no secret.
Result<Done> fill_route(const Login &login, const Named_record &record, const Named_record &backend,
                        const Settings &settings, const Credentials &credentials, Route *route_r);

// "user john", as sentences name a record.
std::string record_label(Kind kind, std::string_view name);

} // namespace proxymap
