// One JSON object of texts, as RFC 8259 has it, and no more of JSON than a record needs: members
// are strings, integers, null, or (one level deep) such objects again. Strict: UTF-8 only, no name
// twice, nothing behind the object.
#pragma once

#include "result.h"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace proxymap {

struct Json_member {
    std::string name;
    // A string's text, or an integer as it is written. Nothing: null, or an object.
    std::optional<std::string> text;
    bool is_object = false;
    std::vector<Json_member> members; // of the object
};

// The error says at which byte of the text, from 1.
Result<std::vector<Json_member>> parse_json_object(std::string_view text);

bool is_utf8(std::string_view text);

// "..." with escapes. Only for UTF-8.
void append_json_string(std::string &out, std::string_view text);

} // namespace proxymap
