// What may stand behind the `=` of a setting, by kind, and the sentence for a name that is none.
// For every reader of settings. The errors say what is wrong with the value and what is allowed,
// but not where it stands.
#pragma once

#include "result.h"

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>

namespace proxymap {

// "it must be `what`"
Error must_be(const std::string &what);

Result<bool> parse_yes_no(std::string_view value);

// A whole decimal number, least to most.
Result<std::uint32_t> parse_number(std::string_view value, std::uint32_t least, std::uint32_t most);

// Milliseconds. least and most are times as an admin writes them, "1s", and stand in the error so.
Result<std::uint64_t> parse_time_between(std::string_view value, std::string_view least,
                                         std::string_view most);

// Absolute, for nobody minds in which folder a daemon was started. Not empty.
Result<std::string> parse_file_name(std::string_view value);

// Puts a parsed value where it belongs, or hands on why there is none.
template <typename Value> Result<Done> assign(Result<Value> value, Value *value_r)
{
    if (!value)
        return value.error();
    *value_r = std::move(*value);
    return Done{};
}

// "unknown setting "x": did you mean y?"; all that are allowed where none is near.
Error unknown_setting(std::string_view name, std::span<const std::string_view> allowed);

} // namespace proxymap
