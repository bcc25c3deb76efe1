// Seals: whoever can write to memcached decides where passwords go. A seal stops forged, edited,
// swapped and older records. It cannot prove absence.
#pragma once

#include "result.h"

#include <map>
#include <string>
#include <string_view>

namespace proxymap {

inline constexpr std::size_t min_seal_key_bytes = 32;

// Keys by id; the first named by `current` seals, all verify (roll-over). Key: at least 32 bytes.
struct Seal_keys {
    std::string current;
    std::map<std::string, std::string, std::less<>> keys;
    bool empty() const { return keys.empty(); }
};

// "<key id>:<base64url HMAC-SHA-256>" over namespace and the stored record's text (which holds
// kind, name, fields and position). Empty, and never to be written, when `current` names no key,
// the key is too short, or libcrypto fails.
std::string make_seal(const Seal_keys &keys, std::string_view name_space,
                      std::string_view signed_text);

// Compares in constant time.
Result<Done> check_seal(const Seal_keys &keys, std::string_view name_space,
                        std::string_view signed_text, std::string_view seal);

} // namespace proxymap
