// Times in the fields of a record.
//
// Dovecot reads each of its three time fields in another way, so a record keeps them in the one
// text that every reader of that field takes:
//   proxy_timeout   "30": LMTP and auth's DNS lookup read a bare number of seconds only, the login
//                   processes that or a number with a unit; "1500ms" when it is no whole second
//   proxy_refresh   "30": the login processes read a bare number of seconds only
//   proxy_host_immediate_failure_after   "30s": read with settings_get_time(), which wants a unit
// (client-common-auth.c, lmtp-proxy.c, auth-request.c of Dovecot 2.3.)
#pragma once

#include "field.h"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace proxymap {

// "30", "30s", "1500ms", "5m", "1h", "1d"; also msecs, secs, mins, hours, days. A bare number is in
// seconds. Returns milliseconds, at most a day; nothing for any other text.
std::optional<std::uint64_t> parse_field_time(std::string_view text);

// The text as above. Only for the three fields and a time that check_field_value() has taken.
std::string format_field_time(Field_id id, std::uint64_t msecs);

} // namespace proxymap
