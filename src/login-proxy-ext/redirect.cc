// Where a backend sends a login on to; see redirect.h.
#include "redirect.h"

#include "../core/text.h"

#include <algorithm>
#include <charconv>

namespace proxymap {

namespace {

// In any case of letters; takes it off.
bool take(std::string_view *text, std::string_view prefix)
{
    if (text->size() < prefix.size() ||
        !std::equal(prefix.begin(), prefix.end(), text->begin(),
                    [](char a, char b) { return to_lower(a) == to_lower(b); }))
        return false;
    text->remove_prefix(prefix.size());
    return true;
}

// [user@]host[:port] and one of `ends` behind it.
std::optional<Redirect> parse_authority(std::string_view text, std::string_view ends)
{
    // An address in brackets may hold what ends the rest.
    if (const std::size_t at = text.find('@'); at < text.find_first_of(ends))
        text.remove_prefix(at + 1);
    Redirect redirect;
    std::size_t end;
    if (text.starts_with('[')) {
        text.remove_prefix(1);
        end = text.find(']');
        if (end == std::string_view::npos)
            return std::nullopt;
        redirect.host = text.substr(0, end++);
    } else {
        end = std::min({text.find(':'), text.find_first_of(ends), text.size()});
        redirect.host = text.substr(0, end);
    }
    text.remove_prefix(end);
    if (take(&text, ":")) {
        auto [rest, error] = std::from_chars(text.data(), text.data() + text.size(), redirect.port);
        if (error != std::errc() || redirect.port == 0)
            return std::nullopt;
        text.remove_prefix(static_cast<std::size_t>(rest - text.data()));
    }
    if (redirect.host.empty() || text.find_first_of(ends) != 0)
        return std::nullopt;
    return redirect;
}

} // namespace

std::optional<Redirect> find_redirect(std::string_view protocol, std::string_view line)
{
    if (protocol == "imap" && line.starts_with("L ") && take(&line, "L NO [REFERRAL imap://"))
        return parse_authority(line, "/]");
    if (protocol == "pop3" && take(&line, "-ERR [REFERRAL/"))
        return parse_authority(line, "]");
    if (protocol == "submission" && take(&line, "550 5.2.900 "))
        return parse_authority(line, " ");
    if (protocol == "sieve" && take(&line, "NO (REFERRAL sieve://"))
        return parse_authority(line, "/)");
    return std::nullopt;
}

} // namespace proxymap
