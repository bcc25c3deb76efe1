// Times in the fields of a record; which text Dovecot takes is told in field_time.h.
#include "field_time.h"

#include <array>
#include <charconv>

namespace proxymap {

namespace {

constexpr std::uint64_t max_msecs = 86'400'000; // in seconds and milliseconds far from UINT_MAX

struct Unit {
    std::string_view name;
    std::uint64_t msecs;
};

constexpr std::array units = {
    Unit{"", 1000},           Unit{"ms", 1},         Unit{"msecs", 1},         Unit{"s", 1000},
    Unit{"secs", 1000},       Unit{"m", 60'000},     Unit{"mins", 60'000},     Unit{"h", 3'600'000},
    Unit{"hours", 3'600'000}, Unit{"d", 86'400'000}, Unit{"days", 86'400'000},
};

} // namespace

std::optional<std::uint64_t> parse_field_time(std::string_view text)
{
    std::uint64_t number = 0;
    const char *end = text.data() + text.size();
    const auto [stopped, error] = std::from_chars(text.data(), end, number);
    if (error != std::errc()) {
        return std::nullopt;
    }
    const std::string_view word(stopped, static_cast<std::size_t>(end - stopped));
    for (const auto &unit : units) {
        if (unit.name == word && number <= max_msecs / unit.msecs) {
            return number * unit.msecs;
        }
    }
    return std::nullopt;
}

std::string format_field_time(Field_id id, std::uint64_t msecs)
{
    if (msecs % 1000 != 0) {
        return std::to_string(msecs) + "ms";
    }
    const auto seconds = std::to_string(msecs / 1000);
    return id == Field_id::proxy_host_immediate_failure_after ? seconds + "s" : seconds;
}

} // namespace proxymap
