// See journal.h.
#include "journal.h"

#include "key.h"

#include <charconv>

namespace proxymap {

namespace {

constexpr std::string_view time_start = "time ";
constexpr std::string_view part_start = "v1 pos=";
constexpr std::string_view parts_start = " parts=";

std::string part_head(const Position &position, std::size_t parts)
{
    std::string head(part_start);
    head += format_position(position);
    head += parts_start;
    head += std::to_string(parts);
    head += '\n';
    return head;
}

// The first line, with its end, when it is one of time.
std::string_view time_line(std::string_view text)
{
    return text.starts_with(time_start) ? text.substr(0, text.find('\n') + 1) : std::string_view();
}

// Whole lines of the text, as many as a part holds each.
std::vector<std::string_view> cut(std::string_view text)
{
    std::vector<std::string_view> pieces;
    while (text.size() > max_journal_part_bytes) {
        const auto end = text.rfind('\n', max_journal_part_bytes - 1) + 1;
        pieces.push_back(text.substr(0, end));
        text.remove_prefix(end);
    }
    pieces.push_back(text);
    return pieces;
}

} // namespace

std::string format_journal_time(std::uint64_t time)
{
    return std::string(time_start) + std::to_string(time) + '\n';
}

std::string format_journal_line(Kind kind, const std::string &name)
{
    return format_record({kind, name, {}, {}}) + '\n';
}

Result<Journal_entry> parse_journal_text(std::string_view text)
{
    Journal_entry entry;
    if (const std::string_view line = time_line(text); !line.empty()) {
        const std::string_view digits = line.substr(time_start.size());
        std::from_chars(digits.data(), digits.data() + digits.size(), entry.time);
        if (entry.time == 0 || format_journal_time(entry.time) != line) {
            return Error{"the journal's line of time is not understood"};
        }
        text.remove_prefix(line.size());
    }
    if (text == journal_reset) {
        entry.reset = true;
        return entry;
    }
    while (!text.empty()) {
        const auto end = text.find('\n');
        if (end == std::string_view::npos) {
            return Error{"a line of the journal has no end"};
        }
        auto record = parse_record_name(text.substr(0, end));
        if (!record) {
            return Error{"a line of the journal is not understood: " + record.error().message};
        }
        entry.keys.push_back({record->kind, std::move(record->name)});
        text.remove_prefix(end + 1);
    }
    return entry;
}

std::vector<std::string> split_journal_entry(const Position &position, std::string_view text)
{
    auto pieces = cut(text);
    const std::string reset = std::string(time_line(text)).append(journal_reset);
    if (pieces.size() > max_journal_parts) {
        pieces = {reset};
    }
    const auto head = part_head(position, pieces.size());
    std::vector<std::string> values;
    values.reserve(pieces.size());
    for (const auto piece : pieces) {
        values.push_back(head + std::string(piece));
    }
    return values;
}

Result<Journal_part> parse_journal_part(std::string_view value)
{
    const auto end = value.find('\n');
    const auto head = value.substr(0, end);
    const auto parts_at = head.find(parts_start);
    Journal_part part;
    if (end != std::string_view::npos && head.starts_with(part_start) &&
        parts_at != std::string_view::npos) {
        const auto position =
            parse_position(head.substr(part_start.size(), parts_at - part_start.size()));
        const auto count = head.substr(parts_at + parts_start.size());
        std::from_chars(count.data(), count.data() + count.size(), part.parts);
        part.position = position.value_or(Position{});
        part.text = value.substr(end + 1);
    }
    if (!part.position.known() || part.parts == 0 || part.parts > max_journal_parts ||
        part_head(part.position, part.parts) != value.substr(0, end + 1)) {
        return Error{"it is no part of a journal's entry (v1 pos=<position> parts=<1 to " +
                     std::to_string(max_journal_parts) + ">)"};
    }
    return part;
}

std::string journal_key(std::string_view name_space, std::uint64_t sequence, std::size_t part)
{
    auto key = marker_key(name_space);
    key.resize(key.rfind(':'));
    key += ":log:" + std::to_string(sequence);
    if (part > 1) {
        key += ':' + std::to_string(part);
    }
    return key;
}

} // namespace proxymap
