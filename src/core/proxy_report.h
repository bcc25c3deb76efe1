// What an auth process says of itself in every mirror that it can reach, under
// `<namespace>:proxy:<name>`: up to which position of the table it answers logins.
//
//   v1 host=p1.example.com pid=4711 pos=00000000000000ab.1.42 at=1785000000 seal=k1:...
//
// MUST: `move` ends sessions because of it, so whatever is not understood as a whole is refused,
// and where there are seal keys, whatever is not sealed.
#pragma once

#include "position.h"
#include "result.h"
#include "seal.h"
#include "settings.h"

#include <cstdint>
#include <string>
#include <string_view>

namespace proxymap {

struct Proxy_report {
    std::string host;      // as the host calls itself: 1 to 253 letters, digits, and . _ -
    std::uint64_t pid = 0; // of the auth process
    // Everything older has been dropped from its cache, and no login is answered from older.
    Position position;
    std::uint64_t at = 0; // when it said so, in seconds since 1970 by its own clock
    bool operator==(const Proxy_report &) const = default;
};

// As the host calls itself.
std::string own_host_name();

// What this proxy is called: the setting proxy_name, else the host's name.
std::string own_proxy_name(const Settings &settings);

// `<namespace>:proxy:<name>`, encoded and bounded as a record's key is (key.h).
std::string proxy_report_key(std::string_view name_space, std::string_view name);

// The value under that key; name: the proxy's, as in the setting proxy_name. Sealed when there are
// keys; an error when it cannot be, and when the report is one that no reader would take.
Result<std::string> format_proxy_report(const Proxy_report &report, std::string_view name_space,
                                        std::string_view name, const Seal_keys &keys);

// That value, of the key of just this name. With keys it needs a good seal, also where require_seal
// is not set: a report is no record that was written before there were keys.
Result<Proxy_report> parse_proxy_report(std::string_view value, std::string_view name_space,
                                        std::string_view name, const Seal_keys &keys);

} // namespace proxymap
