// See proxy_report.h. A report has one text: a reader takes nothing but what the writer writes.
#include "proxy_report.h"

#include "key.h"
#include "text.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>

#include <unistd.h>

namespace proxymap {

namespace {

constexpr std::string_view seal_start = " seal=";
constexpr std::size_t max_host_bytes = 253;

bool is_host(std::string_view host)
{
    return !host.empty() && host.size() <= max_host_bytes &&
           std::all_of(host.begin(), host.end(),
                       [](char c) { return is_alnum(c) || c == '.' || c == '_' || c == '-'; });
}

bool is_right(const Proxy_report &report)
{
    return is_host(report.host) && report.pid != 0 && report.position.known();
}

std::string text_of(const Proxy_report &report)
{
    return "v1 host=" + report.host + " pid=" + std::to_string(report.pid) +
           " pos=" + format_position(report.position) + " at=" + std::to_string(report.at);
}

// A report says nothing of its key, so the seal does: it is no other proxy's. No record's text
// begins so (record.h).
std::string signed_text(std::string_view name, std::string_view text)
{
    return "proxy " + std::string(name) + ' ' + std::string(text);
}

// Takes `<start><word>` and the blank behind it off the text; nothing: it does not begin so.
std::optional<std::string_view> take(std::string_view &text, std::string_view start)
{
    if (!text.starts_with(start)) {
        return std::nullopt;
    }
    text.remove_prefix(start.size());
    const auto word = text.substr(0, text.find(' '));
    text.remove_prefix(std::min(word.size() + 1, text.size()));
    return word;
}

std::uint64_t number(std::string_view word)
{
    std::uint64_t value = 0;
    std::from_chars(word.data(), word.data() + word.size(), value);
    return value;
}

// Numbers are read as they come, for the text is compared with what would be written of them.
std::optional<Proxy_report> parse_text(std::string_view text)
{
    auto rest = text;
    const auto host = take(rest, "v1 host=");
    const auto pid = take(rest, "pid=");
    const auto position = take(rest, "pos=");
    const auto at = take(rest, "at=");
    if (!host || !pid || !position || !at) {
        return std::nullopt;
    }
    Proxy_report report{std::string(*host), number(*pid),
                        parse_position(*position).value_or(Position{}), number(*at)};
    if (!is_right(report) || text_of(report) != text) {
        return std::nullopt;
    }
    return report;
}

bool is_seal(std::string_view seal)
{
    return !seal.empty() && std::all_of(seal.begin(), seal.end(),
                                        [](char c) { return !is_control(c) && !is_blank(c); });
}

} // namespace

std::string own_host_name()
{
    std::array<char, max_host_bytes + 1> name{}; // Linux' have at most 64 bytes
    return gethostname(name.data(), name.size() - 1) == 0 ? name.data() : "";
}

std::string own_proxy_name(const Settings &settings)
{
    return settings.proxy_name.empty() ? own_host_name() : settings.proxy_name;
}

std::string proxy_report_key(std::string_view name_space, std::string_view name)
{
    return encode_key(name_space, "proxy", name);
}

Result<std::string> format_proxy_report(const Proxy_report &report, std::string_view name_space,
                                        std::string_view name, const Seal_keys &keys)
{
    if (!is_right(report)) {
        return Error{"a proxy's report needs a host name of 1 to 253 letters, digits, and . _ -, "
                     "a process id and a position"};
    }
    auto text = text_of(report);
    if (keys.empty()) {
        return text;
    }
    const auto seal = make_seal(keys, name_space, signed_text(name, text));
    if (seal.empty()) {
        return Error{"the proxy's report cannot be sealed: there is no current seal key"};
    }
    return text.append(seal_start).append(seal);
}

Result<Proxy_report> parse_proxy_report(std::string_view value, std::string_view name_space,
                                        std::string_view name, const Seal_keys &keys)
{
    const auto end = std::min(value.find(seal_start), value.size());
    const auto text = value.substr(0, end);
    const auto seal = value.substr(std::min(end + seal_start.size(), value.size()));
    auto report = parse_text(text);
    if (!report || (end != value.size() && !is_seal(seal))) {
        return Error{"it is no proxy's report (v1 host=... pid=... pos=... at=...)"};
    }
    if (keys.empty()) {
        return std::move(*report);
    }
    if (seal.empty()) {
        return Error{"the report has no seal, and there are seal keys"};
    }
    if (const auto sealed = check_seal(keys, name_space, signed_text(name, text), seal); !sealed) {
        return sealed.error();
    }
    return std::move(*report);
}

} // namespace proxymap
