// Values of settings by kind, and the nearest name to one that nobody knows.
//
// Must never take a value in part: "1x" is no number, and a time without a unit no time.
#include "conf_value.h"

#include "settings.h"
#include "text.h"

#include <algorithm>
#include <charconv>
#include <numeric>
#include <vector>

namespace proxymap {

namespace {

// Levenshtein's; `from` is cut to a length that no setting has.
std::size_t edit_distance(std::string_view from, std::string_view to)
{
    from = from.substr(0, 64);
    std::vector<std::size_t> row(to.size() + 1);
    std::iota(row.begin(), row.end(), std::size_t{0});
    for (std::size_t i = 0; i < from.size(); i++) {
        std::size_t diagonal = row[0];
        row[0] = i + 1;
        for (std::size_t j = 0; j < to.size(); j++) {
            std::size_t replaced = diagonal + (from[i] == to[j] ? 0 : 1);
            diagonal = row[j + 1];
            row[j + 1] = std::min({replaced, diagonal + 1, row[j] + 1});
        }
    }
    return row.back();
}

} // namespace

Error must_be(const std::string &what)
{
    return Error{"it must be " + what};
}

Result<bool> parse_yes_no(std::string_view value)
{
    if (value != "yes" && value != "no")
        return must_be("yes or no");
    return value == "yes";
}

Result<std::uint32_t> parse_number(std::string_view value, std::uint32_t least, std::uint32_t most)
{
    std::uint32_t number = 0;
    auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), number);
    if (error != std::errc() || end != value.data() + value.size() || number < least ||
        number > most)
        return must_be("a whole number from " + std::to_string(least) + " to " +
                       std::to_string(most));
    return number;
}

Result<std::uint64_t> parse_time_between(std::string_view value, std::string_view least,
                                         std::string_view most)
{
    Result<std::uint64_t> msecs = parse_time(value);
    if (msecs && (*msecs < *parse_time(least) || *msecs > *parse_time(most)))
        return must_be(std::string(least) + " to " + std::string(most));
    return msecs;
}

Result<std::string> parse_file_name(std::string_view value)
{
    if (!value.starts_with('/'))
        return must_be("an absolute path");
    return std::string(value);
}

Error unknown_setting(std::string_view name, std::span<const std::string_view> allowed)
{
    constexpr std::size_t likely_typo = 3;
    std::string_view nearest;
    std::size_t least = likely_typo + 1;
    std::string all;
    for (std::string_view word : allowed) {
        std::size_t distance = edit_distance(name, word);
        // "x" is no mistyped "sni": more than half of the word must be right.
        if (distance < least && distance * 2 < word.size()) {
            least = distance;
            nearest = word;
        }
        all += (all.empty() ? "" : ", ") + std::string(word);
    }
    std::string message = "unknown setting " + quote(name);
    if (!nearest.empty())
        return Error{message + ": did you mean " + std::string(nearest) + "?"};
    return Error{message + ": allowed are " + all};
}

} // namespace proxymap
