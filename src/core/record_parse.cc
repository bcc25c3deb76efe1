// Reads records: the one grammar for routes files, stores and exports.
//
// MUST never half read a record: whatever is not understood refuses the whole of it.
#include "record.h"

#include "record_build.h"
#include "record_rules.h"
#include "text.h"

#include <algorithm>

namespace proxymap {

namespace {

// pos=, seal= and the blanks before them; a key id has at most 64 bytes.
constexpr std::size_t max_trailer_bytes = 256;

// Walks through a line word by word.
class Words {
  public:
    explicit Words(std::string_view text) : text_(text) {}

    bool at_end()
    {
        while (offset_ < text_.size() && is_blank(text_[offset_])) {
            offset_++;
        }
        return offset_ == text_.size();
    }

    std::size_t offset() const { return offset_; }

    // Up to the next blank or the end.
    std::string_view bare()
    {
        const auto start = offset_;
        while (offset_ < text_.size() && !is_blank(text_[offset_])) {
            offset_++;
        }
        return text_.substr(start, offset_ - start);
    }

    // Up to the `=`, which is skipped. Nothing: there is none in this word.
    std::optional<std::string_view> name()
    {
        auto end = offset_;
        while (end < text_.size() && text_[end] != '=' && text_[end] != '"' &&
               !is_blank(text_[end])) {
            end++;
        }
        if (end == text_.size() || text_[end] != '=') {
            return std::nullopt;
        }
        const auto name = text_.substr(offset_, end - offset_);
        offset_ = end + 1;
        return name;
    }

    // Bare or quoted, up to a blank or the end. `of` names it in the error; its own bytes stay
    // out of it, for they may be a password.
    Result<std::string> value(std::string_view of)
    {
        if (offset_ < text_.size() && text_[offset_] == '"') {
            return quoted(of);
        }
        const auto word = bare();
        if (word.empty()) {
            return Error{quote(of) + " has no value; an empty one is written \"\""};
        }
        if (word.find('"') != std::string_view::npos) {
            return Error{"the value of " + quote(of) +
                         " has a quote inside; write the whole value in double quotes, and each "
                         "quote in it as \\\""};
        }
        return std::string(word);
    }

  private:
    Result<std::string> quoted(std::string_view of)
    {
        std::string value;
        for (offset_++; offset_ < text_.size(); offset_++) {
            const char c = text_[offset_];
            if (c == '"') {
                offset_++;
                if (offset_ < text_.size() && !is_blank(text_[offset_])) {
                    return Error{"after the closing quote of " + quote(of) + " comes a blank"};
                }
                return value;
            }
            if (c == '\\') {
                offset_++;
                if (offset_ == text_.size() || (text_[offset_] != '"' && text_[offset_] != '\\')) {
                    return Error{"in the quoted value of " + quote(of) +
                                 " a backslash stands only before a quote or a backslash"};
                }
            }
            value += text_[offset_];
        }
        return Error{"the value of " + quote(of) + " has no closing quote"};
    }

    std::string_view text_;
    std::size_t offset_ = 0;
};

// Where the parts of a stored record are.
struct Trailer {
    std::size_t position_start; // of `pos=`
    std::size_t signed_end;     // after the position
};

Result<Done> parse_field(Words &words, std::string_view word, Record &record)
{
    auto value = words.value(word);
    if (!value) {
        // What is wrong with the name says more.
        const auto name = parse_field_name(word);
        return name ? value.error() : name.error();
    }
    return add_field(record, word, std::move(*value));
}

Error not_a_field(const Record &record)
{
    const auto after = record.fields.empty() ? "the name" : quote(record.fields.back().name());
    return Error{"the word after " + after +
                 " is not name=value; a value with blanks in it is written in double quotes, and a "
                 "comment on a line of its own"};
}

// `pos=...`, whose value is up to the caller; nothing but ` seal=` may follow.
Result<Done> parse_trailer(Words &words, std::size_t start, Record &record, Trailer &trailer)
{
    const auto position = parse_position(words.bare());
    if (!position || !position->known()) {
        return Error{"pos is not a table's position (<16 hex digits>.<epoch>.<sequence>)"};
    }
    record.position = *position;
    trailer = {start, words.offset()};
    return Done{};
}

// trailer: null when the text is an admin's and must have none.
Result<Record> parse_text(std::string_view text, Key_case key_case, Trailer *trailer)
{
    const auto control = std::find_if(text.begin(), text.end(),
                                      [](char c) { return is_control(c) && !is_blank(c); });
    if (control != text.end()) {
        return Error{"byte " + std::to_string(control - text.begin() + 1) +
                     " is a control character; only blanks and tabs are allowed"};
    }
    Words words(text);
    words.at_end();
    const auto kind_word = words.bare();
    const auto kind = parse_kind(kind_word);
    if (!kind) {
        return Error{"a record begins with user, domain, default or backend, not with " +
                     quote(kind_word)};
    }
    if (words.at_end()) {
        return Error{"after " + std::string(kind_word) + " comes a name"};
    }
    auto name = words.value(kind_word);
    if (!name) {
        return name.error();
    }
    const auto checked_name = check_record_name(*kind, *name);
    if (!checked_name) {
        return checked_name.error();
    }

    Record record{*kind, std::move(*name), {}, {}};
    record.fields.reserve(4);
    bool has_trailer = false;
    while (!has_trailer && !words.at_end()) {
        const auto start = words.offset();
        const auto word = words.name();
        if (!word) {
            return not_a_field(record);
        }
        has_trailer = trailer != nullptr && *word == "pos";
        const auto parsed = has_trailer ? parse_trailer(words, start, record, *trailer)
                                        : parse_field(words, *word, record);
        if (!parsed) {
            return parsed.error();
        }
    }
    if (trailer != nullptr && !has_trailer) {
        return Error{"a stored record ends in its position (pos=...)"};
    }
    const auto checked = check_record_fields(record);
    if (!checked) {
        return checked.error();
    }
    fold_record(record, key_case);
    return record;
}

Error too_long(std::size_t bytes)
{
    return Error{"the record has " + std::to_string(bytes) + " bytes; at most " +
                 std::to_string(max_record_bytes) + " are allowed"};
}

} // namespace

Result<Record> parse_record(std::string_view line, Key_case key_case)
{
    if (line.size() > max_record_bytes) {
        return too_long(line.size());
    }
    auto record = parse_text(line, key_case, nullptr);
    // Only times grow when they are written in their canonical form (1d: 86400).
    if (record && line.size() > max_record_bytes / 2) {
        const auto bytes = format_record(*record).size();
        if (bytes > max_record_bytes) {
            return too_long(bytes);
        }
    }
    return record;
}

Result<Record> parse_record_name(std::string_view text)
{
    const auto blank = text.find(' ');
    const auto kind = parse_kind(text.substr(0, blank));
    if (!kind || blank == std::string_view::npos) {
        return Error{"it begins with no kind and name of a record"};
    }
    Words words(text.substr(blank + 1));
    auto name = words.value(to_string(*kind));
    if (!name) {
        return name.error();
    }
    if (const auto checked = check_record_name(*kind, *name); !checked) {
        return checked.error();
    }
    Record record{*kind, std::move(*name), {}, {}};
    if (format_record(record) != text) {
        return Error{"after kind and name comes nothing"};
    }
    return record;
}

Result<Stored_record> parse_stored_record(std::string_view text, Key_case key_case)
{
    if (text.size() > max_record_bytes + max_trailer_bytes) {
        return too_long(text.size());
    }
    Trailer trailer{};
    auto record = parse_text(text, key_case, &trailer);
    if (!record) {
        return record.error();
    }
    if (trailer.position_start > max_record_bytes + 1) {
        return too_long(trailer.position_start - 1);
    }
    constexpr std::string_view seal_start = " seal=";
    auto seal = text.substr(trailer.signed_end);
    if (!seal.empty()) {
        if (!seal.starts_with(seal_start) || seal.size() == seal_start.size() ||
            seal.find_first_of(" \t\"", seal_start.size()) != std::string_view::npos) {
            return Error{"after the position comes nothing but one seal=..."};
        }
        seal.remove_prefix(seal_start.size());
    }
    return Stored_record{std::move(*record), seal, text.substr(0, trailer.signed_end)};
}

} // namespace proxymap
