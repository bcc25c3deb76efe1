// See glob.h. fnmatch(3) depends on the locale, and its time is without bounds.
#include "glob.h"

#include "text.h"

namespace proxymap {

namespace {

// Length of the [...] at the start of text, or 0. A ] that comes first is one of its bytes.
std::size_t class_length(std::string_view text)
{
    std::size_t at = 1;
    at += at < text.size() && text[at] == '!' ? 1U : 0U;
    const auto close = text.find(']', at + 1);
    return close == std::string_view::npos ? 0 : close + 1;
}

bool in_class(std::string_view class_text, char c)
{
    auto members = class_text.substr(1, class_text.size() - 2);
    const bool negated = members.starts_with('!');
    members.remove_prefix(negated ? 1 : 0);
    const auto byte = [](char of) { return static_cast<unsigned char>(of); };
    bool found = false;
    while (!members.empty() && !found) {
        const bool range = members.size() > 2 && members[1] == '-';
        const char last = range ? members[2] : members[0];
        found = byte(members[0]) <= byte(c) && byte(c) <= byte(last);
        members.remove_prefix(range ? 3 : 1);
    }
    return found != negated;
}

// How much of the pattern stands for the byte c; 0: it does not.
std::size_t match_one(std::string_view pattern, char c)
{
    if (pattern.empty()) {
        return 0;
    }
    switch (pattern[0]) {
    case '?':
        return 1;
    case '[': {
        const auto length = class_length(pattern);
        return in_class(pattern.substr(0, length), c) ? length : 0;
    }
    case '\\':
        return pattern[1] == c ? 2 : 0;
    default:
        return pattern[0] == c ? 1 : 0;
    }
}

} // namespace

Result<Glob> Glob::parse(std::string_view pattern)
{
    for (std::size_t at = 0; at < pattern.size();) {
        if (pattern[at] == '\\') {
            if (at + 1 == pattern.size()) {
                return Error{"pattern " + quote(pattern) +
                             " ends in a backslash, which takes the "
                             "byte behind it as it is"};
            }
            at += 2;
        } else if (pattern[at] == '[') {
            const auto length = class_length(pattern.substr(at));
            if (length == 0) {
                return Error{"pattern " + quote(pattern) +
                             " has a [ without its ]; the byte itself is written \\["};
            }
            at += length;
        } else {
            at++;
        }
    }
    Glob glob;
    glob.pattern_ = pattern;
    return glob;
}

// A star that has matched once need never match less: going back to the last one is enough.
bool Glob::matches(std::string_view text) const
{
    const std::string_view pattern = pattern_;
    std::size_t p = 0;
    std::size_t t = 0;
    std::size_t star = std::string_view::npos;
    std::size_t star_text = 0;
    while (t < text.size()) {
        if (p < pattern.size() && pattern[p] == '*') {
            star = ++p;
            star_text = t;
        } else if (const auto length = match_one(pattern.substr(p), text[t]); length > 0) {
            p += length;
            t++;
        } else if (star != std::string_view::npos) {
            p = star;
            t = ++star_text;
        } else {
            return false;
        }
    }
    while (p < pattern.size() && pattern[p] == '*') {
        p++;
    }
    return p == pattern.size();
}

} // namespace proxymap
