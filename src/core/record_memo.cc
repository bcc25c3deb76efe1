// Why a known text is as good as a parsed one. A stored record is `kind name fields pos=...`, read
// from left to right word by word. Where kind and name stand as they are asked for, and what comes
// before ` pos=` is byte for byte what once was read as whole fields just there, parsing could not
// find anything else.
#include "record_memo.h"

#include "text.h"

#include <algorithm>
#include <functional>
#include <optional>
#include <utility>

namespace proxymap {

namespace {

constexpr std::string_view position_start = " pos=";
constexpr std::string_view seal_start = " seal=";

// Where the fields of a text end and its trailer begins.
struct Parts {
    std::string_view fields;
    std::string_view trailer; // with the blank before it
};

// Nothing: it is written otherwise than the tool writes it.
std::optional<Parts> parts_of(std::string_view text, Kind kind, std::string_view name)
{
    for (const std::string_view word : {to_string(kind), name}) {
        if (!text.starts_with(word))
            return std::nullopt;
        text.remove_prefix(word.size());
        if (!text.starts_with(' '))
            return std::nullopt;
        text.remove_prefix(1);
    }
    const auto at = text.rfind(position_start);
    if (at == std::string_view::npos)
        return std::nullopt;
    return Parts{text.substr(0, at), text.substr(at)};
}

// Fills in position, seal and signed_text. False: the whole text must be parsed.
bool read_trailer(std::string_view text, std::string_view trailer, Read_record *record_r)
{
    const auto position_end = std::min(trailer.find(' ', position_start.size()), trailer.size());
    const auto position =
        parse_position(trailer.substr(position_start.size(), position_end - position_start.size()));
    if (!position || !position->known())
        return false;
    record_r->position = *position;
    std::string_view seal = trailer.substr(position_end);
    record_r->signed_text = text.substr(0, text.size() - seal.size());
    if (seal.empty())
        return true;
    if (!seal.starts_with(seal_start) || seal.size() == seal_start.size())
        return false;
    seal.remove_prefix(seal_start.size());
    record_r->seal = seal;
    return std::none_of(seal.begin(), seal.end(),
                        [](char c) { return is_control(c) || is_blank(c) || c == '"'; });
}

} // namespace

Record_memo::Slot &Record_memo::slot_of(Kind kind, std::string_view text)
{
    return slots_[(std::hash<std::string_view>()(text) + static_cast<std::size_t>(kind)) % slots];
}

Result<Read_record> Record_memo::read(std::string_view text, Kind kind, std::string_view name)
{
    Read_record read;
    const auto parts = text.size() <= max_record_bytes ? parts_of(text, kind, name) : std::nullopt;
    const bool is_short = parts && parts->fields.size() <= max_text_bytes;
    Slot *slot = is_short ? &slot_of(kind, parts->fields) : nullptr;
    if (slot != nullptr && slot->content != nullptr && slot->content->kind == kind &&
        slot->text == parts->fields && read_trailer(text, parts->trailer, &read)) {
        read.content = slot->content;
        return read;
    }

    auto stored = parse_stored_record(text, key_case_);
    if (!stored)
        return Error{"its record is not understood: " + stored.error().message};
    Record &record = stored->record;
    if (record.kind != kind || record.name != name)
        return Error{"its record is another one's"};
    read.position = std::exchange(record.position, {});
    read.seal = stored->seal;
    read.signed_text = stored->signed_text;
    record.name.clear();
    read.content = std::make_shared<const Record>(std::move(record));
    // Only where the parser, too, found the end of the fields there.
    if (slot != nullptr && stored->signed_text.rfind(' ') ==
                               static_cast<std::size_t>(parts->trailer.data() - text.data()))
        *slot = {std::string(parts->fields), read.content};
    return read;
}

} // namespace proxymap
