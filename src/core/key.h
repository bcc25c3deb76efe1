// Keys of records in memcached and LMDB: `<namespace>:<kind>:<name>`.
// MUST: no login name, however hostile, can form a memcached command.
#pragma once

#include "record.h"

#include <string>
#include <string_view>

namespace proxymap {

inline constexpr std::size_t max_namespace_bytes = 32;
inline constexpr std::size_t max_key_bytes = 200;

// Bytes outside A-Za-z0-9@._+=- become %XX; a key over max_key_bytes becomes
// `<namespace>:<kind>:#<sha-256 of the name, hex>`. The name must be folded already.
// The key is at most max_key_bytes and never empty.
std::string encode_key(std::string_view name_space, Kind kind, std::string_view name);
// The same, in place of what the string held.
void encode_key(std::string_view name_space, Kind kind, std::string_view name, std::string *key_r);

// The same for what is no record: `<namespace>:<what>:<name>`. what: a word that is no kind.
std::string encode_key(std::string_view name_space, std::string_view what, std::string_view name);

// `<namespace>:marker`.
std::string marker_key(std::string_view name_space);

} // namespace proxymap
