// MUST never take a part of a file for the whole of it: who was left out would be proven unknown.
#include "replica_file.h"

namespace proxymap {

namespace {

constexpr std::string_view start_text = "# proxymap replica at ";
constexpr std::size_t max_line_bytes = 8192; // longer than any stored record

} // namespace

std::string replica_file_start(const Position &position)
{
    return std::string(start_text) + format_position(position) + '\n';
}

std::string replica_file_end(std::uint64_t records)
{
    return "# end of " + std::to_string(records) + " records\n";
}

std::optional<std::string_view> Replica_file_reader::read_line()
{
    line_++;
    return in_.next_line(max_line_bytes);
}

Result<Position> Replica_file_reader::start()
{
    const auto line = read_line();
    const auto position = line && line->starts_with(start_text)
                              ? parse_position(line->substr(start_text.size()))
                              : std::nullopt;
    if (!position || !position->known() || !position->written())
        return Error{
            "it is no file of `doveadm proxymap export --positions`, which begins with \"" +
            std::string(start_text) + "<position>\""};
    position_ = *position;
    return position_;
}

Result<std::optional<Replica_file_reader::Entry>> Replica_file_reader::next()
{
    const auto line = read_line();
    if (!line || in_.failed())
        return Error{
            "the file is cut off: its last line, \"# end of <number> records\", is missing"};
    if (line->starts_with('#')) {
        if (std::string(*line) + '\n' != replica_file_end(records_))
            return Error{"it is no record, and no end of " + std::to_string(records_) +
                         " records, which is as many as there were"};
        if (in_.peek() != Text_input::end)
            return Error{"something follows behind the end"};
        return std::optional<Entry>();
    }
    auto stored = parse_stored_record(*line, key_case_);
    if (!stored)
        return stored.error();
    if (!stored->seal.empty())
        return Error{"a seal does not belong here"};
    const Position &at = stored->record.position;
    if (at.table != position_.table || position_.older_than(at))
        return Error{"the record's position is none of those up to the file's own"};
    records_++;
    return std::optional(Entry{std::move(stored->record), *line});
}

} // namespace proxymap
