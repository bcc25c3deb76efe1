// Positions and markers as text. One position has one text: a reader takes nothing but what
// format_position() writes, so that markers can be compared byte by byte.
#include "position.h"

#include <algorithm>
#include <array>
#include <charconv>

namespace proxymap {

namespace {

constexpr std::size_t table_digits = 16;
constexpr std::string_view marker_start = "v1 pos=";

struct State_text {
    Mirror_state state;
    std::string_view text;
};
constexpr std::array states = {
    State_text{Mirror_state::complete, " state=complete"},
    State_text{Mirror_state::loading, " state=loading"},
    State_text{Mirror_state::behind, " state=behind"},
};

void append_decimal(std::string &text, std::uint64_t number)
{
    std::array<char, 20> digits{};
    const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), number).ptr;
    text.append(digits.data(), end);
}

// Decimal without sign, blanks or leading zeros.
template <typename Number> std::optional<Number> parse_decimal(std::string_view text)
{
    if (text.empty() || (text.size() > 1 && text.front() == '0')) {
        return std::nullopt;
    }
    Number number = 0;
    const char *end = text.data() + text.size();
    const auto [stopped, error] = std::from_chars(text.data(), end, number);
    if (error != std::errc() || stopped != end) {
        return std::nullopt;
    }
    return number;
}

// Sixteen lower-case hex digits; from_chars would take upper case too.
std::optional<std::uint64_t> parse_table(std::string_view text)
{
    std::uint64_t table = 0;
    for (const char c : text) {
        unsigned digit = 0;
        if (c >= '0' && c <= '9') {
            digit = static_cast<unsigned>(c - '0');
        } else if (c >= 'a' && c <= 'f') {
            digit = static_cast<unsigned>(c - 'a') + 10;
        } else {
            return std::nullopt;
        }
        table = table << 4U | digit;
    }
    return table;
}

} // namespace

std::string format_position(const Position &position)
{
    std::string text;
    text.reserve(table_digits + 1 + 10 + 1 + 20);
    for (auto shift = 4 * table_digits; shift > 0;) {
        shift -= 4;
        text += "0123456789abcdef"[position.table >> shift & 0xfU];
    }
    text += '.';
    append_decimal(text, position.epoch);
    text += '.';
    append_decimal(text, position.sequence);
    return text;
}

std::optional<Position> parse_position(std::string_view text)
{
    if (text.size() <= table_digits || text[table_digits] != '.') {
        return std::nullopt;
    }
    const auto numbers = text.substr(table_digits + 1);
    const auto dot = numbers.find('.');
    if (dot == std::string_view::npos) {
        return std::nullopt;
    }
    const auto table = parse_table(text.substr(0, table_digits));
    const auto epoch = parse_decimal<std::uint32_t>(numbers.substr(0, dot));
    const auto sequence = parse_decimal<std::uint64_t>(numbers.substr(dot + 1));
    if (!table || !epoch || !sequence) {
        return std::nullopt;
    }
    return Position{*table, *epoch, *sequence};
}

std::string format_marker(const Marker &marker)
{
    std::string text(marker_start);
    text += format_position(marker.position);
    for (const auto &[state, its_text] : states) {
        if (state == marker.state) {
            text += its_text;
        }
    }
    return text;
}

std::optional<Marker> parse_marker(std::string_view text)
{
    if (!text.starts_with(marker_start)) {
        return std::nullopt;
    }
    text.remove_prefix(marker_start.size());
    const auto *state = std::find_if(states.begin(), states.end(),
                                     [&](const auto &known) { return text.ends_with(known.text); });
    if (state == states.end()) {
        return std::nullopt;
    }
    text.remove_suffix(state->text.size());
    const auto position = parse_position(text);
    if (!position) {
        return std::nullopt;
    }
    return Marker{*position, state->state};
}

} // namespace proxymap
