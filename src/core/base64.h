// base64 with its padding (RFC 4648, 4).
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace proxymap {

std::string encode_base64(std::string_view bytes);

// Strict: padded, and nothing between or after. A text that was cut short is nothing.
std::optional<std::string> decode_base64(std::string_view text);

} // namespace proxymap
