// Any bytes at all as a pattern and a text: says the rules a second time, plainly and slowly.
#include "core/glob.h"

#include "check.h"

using namespace proxymap;

namespace {

bool byte_between(char first, char c, char last)
{
    return static_cast<unsigned char>(first) <= static_cast<unsigned char>(c) &&
           static_cast<unsigned char>(c) <= static_cast<unsigned char>(last);
}

// For a pattern that was taken. Exponential: for short ones.
bool slowly(std::string_view pattern, std::string_view text)
{
    if (pattern.empty()) {
        return text.empty();
    }
    if (pattern[0] == '*') {
        return slowly(pattern.substr(1), text) ||
               (!text.empty() && slowly(pattern, text.substr(1)));
    }
    if (text.empty()) {
        return false;
    }
    if (pattern[0] == '\\') {
        return pattern[1] == text[0] && slowly(pattern.substr(2), text.substr(1));
    }
    if (pattern[0] != '[') {
        return (pattern[0] == '?' || pattern[0] == text[0]) &&
               slowly(pattern.substr(1), text.substr(1));
    }
    std::size_t at = 1;
    const bool negated = pattern[at] == '!';
    at += negated ? 1 : 0;
    bool found = false;
    for (const std::size_t first = at; at == first || pattern[at] != ']';) {
        const bool range = pattern[at + 1] == '-' && pattern[at + 2] != ']';
        found = found || byte_between(pattern[at], text[0], range ? pattern[at + 2] : pattern[at]);
        at += range ? 3 : 1;
    }
    return found != negated && slowly(pattern.substr(at + 1), text.substr(1));
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t *data, std::size_t size)
{
    if (size == 0) {
        return 0;
    }
    const std::string both(reinterpret_cast<const char *>(data) + 1, size - 1);
    const std::string pattern = both.substr(0, data[0]);
    const std::string text = both.substr(pattern.size());
    const auto glob = Glob::parse(pattern);
    if (!glob) {
        fuzz::check_error(glob.error());
        return 0;
    }
    const bool matches = glob->matches(text);
    if (pattern.size() <= 12 && text.size() <= 12) {
        fuzz::check(matches == slowly(pattern, text), "a pattern matches as its rules say");
    }
    return 0;
}
