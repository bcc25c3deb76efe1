// Bytes and words from outside: what they are, in ASCII and whatever the locale, and how one is
// shown in an error sentence.
#pragma once

#include <string>
#include <string_view>

namespace proxymap {

constexpr bool is_control(char c)
{
    const auto byte = static_cast<unsigned char>(c);
    return byte < 0x20 || byte == 0x7f;
}

constexpr bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

constexpr bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

constexpr bool is_alnum(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || is_digit(c);
}

constexpr char to_lower(char c)
{
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

constexpr char to_upper(char c)
{
    return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
}

// "word" in double quotes, on one line: control characters become '?', and only the first 64 bytes
// are shown. Never for the value of pass or password: errors are logged.
inline std::string quote(std::string_view word)
{
    constexpr std::size_t max_shown_bytes = 64;

    std::string out = "\"";
    for (const char c : word.substr(0, max_shown_bytes)) {
        out += is_control(c) ? '?' : c;
    }
    out += word.size() > max_shown_bytes ? "...\"" : "\"";
    return out;
}

} // namespace proxymap
