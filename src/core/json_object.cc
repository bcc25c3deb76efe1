// See json_object.h. MUST not recurse deeper than the one level that a record has.
#include "json_object.h"

#include "text.h"

#include <algorithm>

namespace proxymap {

namespace {

// Length of the UTF-8 character (RFC 3629) at the start of text; 0: it is none.
std::size_t utf8_length(std::string_view text)
{
    const auto byte = [&](std::size_t i) {
        return i < text.size() ? static_cast<unsigned char>(text[i]) : 0U;
    };
    const auto follows = [&](std::size_t i) { return (byte(i) & 0xC0U) == 0x80U; };
    const unsigned first = byte(0);
    if (first < 0x80) {
        return 1;
    }
    if (first >= 0xC2 && first <= 0xDF) {
        return follows(1) ? 2 : 0;
    }
    if (first >= 0xE0 && first <= 0xEF) {
        const bool overlong = first == 0xE0 && byte(1) < 0xA0;
        const bool surrogate = first == 0xED && byte(1) > 0x9F;
        return follows(1) && follows(2) && !overlong && !surrogate ? 3 : 0;
    }
    if (first >= 0xF0 && first <= 0xF4) {
        const bool overlong = first == 0xF0 && byte(1) < 0x90;
        const bool too_great = first == 0xF4 && byte(1) > 0x8F;
        return follows(1) && follows(2) && follows(3) && !overlong && !too_great ? 4 : 0;
    }
    return 0;
}

void append_utf8(std::string &out, unsigned code)
{
    const auto add = [&](unsigned byte) { out += static_cast<char>(byte); };
    if (code < 0x80) {
        add(code);
    } else if (code < 0x800) {
        add(0xC0U | code >> 6U);
        add(0x80U | (code & 0x3FU));
    } else if (code < 0x10000) {
        add(0xE0U | code >> 12U);
        add(0x80U | (code >> 6U & 0x3FU));
        add(0x80U | (code & 0x3FU));
    } else {
        add(0xF0U | code >> 18U);
        add(0x80U | (code >> 12U & 0x3FU));
        add(0x80U | (code >> 6U & 0x3FU));
        add(0x80U | (code & 0x3FU));
    }
}

class Parser {
  public:
    explicit Parser(std::string_view text) : text_(text) {}

    Result<std::vector<Json_member>> whole()
    {
        auto members = object(true);
        skip_blanks();
        if (members && at_ < text_.size()) {
            return fail("the end of the line, for one line holds one object");
        }
        return members;
    }

  private:
    Error fail(std::string_view expected) const
    {
        return Error{"byte " + std::to_string(at_ + 1) + ": expected " + std::string(expected)};
    }

    void skip_blanks()
    {
        while (at_ < text_.size() && (is_blank(text_[at_]) || text_[at_] == '\r')) {
            at_++;
        }
    }

    bool take(char c)
    {
        skip_blanks();
        if (at_ == text_.size() || text_[at_] != c) {
            return false;
        }
        at_++;
        return true;
    }

    Result<std::vector<Json_member>> object(bool outer)
    {
        std::vector<Json_member> members;
        if (!take('{')) {
            return fail("{");
        }
        if (take('}')) {
            return members;
        }
        do {
            skip_blanks();
            auto name = string();
            if (!name) {
                return name.error();
            }
            if (std::any_of(members.begin(), members.end(),
                            [&](const auto &other) { return other.name == *name; })) {
                return Error{"member " + quote(*name) + " stands twice in the object"};
            }
            if (!take(':')) {
                return fail("a colon behind the name " + quote(*name));
            }
            Json_member member{std::move(*name), {}, false, {}};
            if (auto done = value(member, outer); !done) {
                return done.error();
            }
            members.push_back(std::move(member));
        } while (take(','));
        if (!take('}')) {
            return fail("a comma or }");
        }
        return members;
    }

    Result<Done> value(Json_member &member, bool outer)
    {
        skip_blanks();
        const char c = at_ < text_.size() ? text_[at_] : '\0';
        if (c == '"') {
            auto text = string();
            if (!text) {
                return text.error();
            }
            member.text = std::move(*text);
            return Done{};
        }
        if (c == '{' && outer) {
            auto inner = object(false);
            if (!inner) {
                return inner.error();
            }
            member.is_object = true;
            member.members = std::move(*inner);
            return Done{};
        }
        if (c == '-' || is_digit(c)) {
            return integer(member);
        }
        constexpr std::string_view null = "null";
        if (text_.substr(at_).starts_with(null)) {
            at_ += null.size();
            return Done{};
        }
        return fail("the value of " + quote(member.name) +
                    ": a string, an integer or null (yes and no are strings)");
    }

    Result<Done> integer(Json_member &member)
    {
        const auto start = at_;
        at_ += text_[at_] == '-' ? 1U : 0U;
        const auto digits = at_;
        while (at_ < text_.size() && is_digit(text_[at_])) {
            at_++;
        }
        const bool leading_zero = at_ > digits + 1 && text_[digits] == '0';
        const bool fraction =
            at_ < text_.size() && (text_[at_] == '.' || text_[at_] == 'e' || text_[at_] == 'E');
        if (at_ == digits || leading_zero || fraction) {
            at_ = start;
            return fail("an integer as the value of " + quote(member.name));
        }
        member.text = std::string(text_.substr(start, at_ - start));
        return Done{};
    }

    Result<std::string> string()
    {
        if (at_ == text_.size() || text_[at_] != '"') {
            return fail("a string in double quotes");
        }
        at_++;
        std::string out;
        while (at_ < text_.size()) {
            const char c = text_[at_];
            if (c == '"') {
                at_++;
                return out;
            }
            if (c == '\\') {
                if (auto done = escape(out); !done) {
                    return done.error();
                }
                continue;
            }
            const auto length = utf8_length(text_.substr(at_));
            if (length == 0) {
                return fail("UTF-8");
            }
            if (is_control(c) && c != 0x7f) {
                return fail("no control character in a string");
            }
            out += text_.substr(at_, length);
            at_ += length;
        }
        return fail("a closing quote");
    }

    Result<Done> escape(std::string &out)
    {
        constexpr std::string_view letters = "\"\\/bfnrt";
        constexpr std::string_view bytes = "\"\\/\b\f\n\r\t";
        const char c = at_ + 1 < text_.size() ? text_[at_ + 1] : '\0';
        const auto which = c == '\0' ? std::string_view::npos : letters.find(c);
        if (which != std::string_view::npos) {
            out += bytes[which];
            at_ += 2;
            return Done{};
        }
        const auto first = code_unit();
        if (!first) {
            return fail("an escape: \\\" \\\\ \\/ \\b \\f \\n \\r \\t or \\u and 4 hex digits");
        }
        unsigned code = *first;
        if (code >= 0xD800 && code <= 0xDFFF) { // RFC 8259, 7: a pair makes one character
            const auto second = code < 0xDC00 ? code_unit() : std::nullopt;
            if (!second || *second < 0xDC00 || *second > 0xDFFF) {
                return fail("a surrogate pair");
            }
            code = 0x10000U + ((code - 0xD800U) << 10U) + (*second - 0xDC00U);
        }
        append_utf8(out, code);
        return Done{};
    }

    // \uXXXX, which is taken.
    std::optional<unsigned> code_unit()
    {
        constexpr std::size_t length = 6;
        const auto text = text_.substr(at_, length);
        if (text.size() != length || !text.starts_with("\\u")) {
            return std::nullopt;
        }
        unsigned code = 0;
        for (const char c : text.substr(2)) {
            constexpr std::string_view digits = "0123456789abcdef";
            const auto digit = digits.find(to_lower(c));
            if (digit == std::string_view::npos) {
                return std::nullopt;
            }
            code = code << 4U | static_cast<unsigned>(digit);
        }
        at_ += length;
        return code;
    }

    std::string_view text_;
    std::size_t at_ = 0;
};

} // namespace

Result<std::vector<Json_member>> parse_json_object(std::string_view text)
{
    return Parser(text).whole();
}

bool is_utf8(std::string_view text)
{
    while (!text.empty()) {
        const auto length = utf8_length(text);
        if (length == 0) {
            return false;
        }
        text.remove_prefix(length);
    }
    return true;
}

void append_json_string(std::string &out, std::string_view text)
{
    constexpr std::string_view digits = "0123456789abcdef";
    out += '"';
    for (const char c : text) {
        if (c == '"' || c == '\\') {
            out += '\\';
            out += c;
        } else if (is_control(c)) {
            const auto byte = static_cast<unsigned char>(c);
            out += "\\u00";
            out += digits[byte >> 4U];
            out += digits[byte & 0xFU];
        } else {
            out += c;
        }
    }
    out += '"';
}

} // namespace proxymap
