// Any value at all that a memcached server may hand out under a key of the map, and any part of its
// journal.
#include "core/journal.h"
#include "core/stored_value.h"

#include "check.h"

using namespace proxymap;

namespace {

void check_version(const Stored_version &version, std::string_view line)
{
    const auto &record = version.record;
    fuzz::check(record.kind == Kind::user && record.name == "john", "it is the one asked for");
    fuzz::check(record.position.known(), "a version has a position");
    fuzz::check(version.deleted == record.fields.empty(), "a tombstone alone has no fields");
    if (!version.deleted) {
        fuzz::check_musts(record);
    } else {
        fuzz::check(version.signed_text == make_tombstone("user john", record.position),
                    "a tombstone has one text");
    }
    const auto seal_bytes = version.seal.empty() ? 0 : version.seal.size() + 6;
    fuzz::check(line.starts_with(version.signed_text) &&
                    version.signed_text.size() + seal_bytes == line.size(),
                "nothing stands outside the signed text and the seal");
}

void check_value(std::string_view text)
{
    auto value = parse_stored_value(text, Kind::user, "john", Key_case::lower);
    if (!value) {
        fuzz::check_error(value.error());
        return;
    }
    const auto newline = text.find('\n');
    fuzz::check(value->second.has_value() == (newline != std::string_view::npos),
                "a version is a line");
    check_version(value->first, text.substr(0, newline));
    fuzz::check(choose_version(*value, nullptr).ok() == !value->second,
                "two versions need a marker");
    if (!value->second) {
        return;
    }
    check_version(*value->second, text.substr(newline + 1));
    auto marker = value->first.record.position;
    fuzz::check(*choose_version(*value, &marker) == &value->first, "the first counts until then");
    marker = value->second->record.position;
    fuzz::check(*choose_version(*value, &marker) == &*value->second, "the second counts then");
    marker.table ^= 1U;
    fuzz::check(!choose_version(*value, &marker).ok(), "no other table's marker counts");
}

void check_journal(std::string_view text)
{
    const auto part = parse_journal_part(text);
    const auto lines = part ? part->text : text;
    if (!part) {
        fuzz::check_error(part.error());
    }
    const auto entry = parse_journal_text(lines);
    if (!entry) {
        fuzz::check_error(entry.error());
        return;
    }
    std::string again = entry->time == 0 ? "" : format_journal_time(entry->time);
    if (entry->reset) {
        again += journal_reset;
    }
    for (const auto &[kind, name] : entry->keys) {
        again += format_journal_line(kind, name);
    }
    fuzz::check(lines == again, "an entry has one text");
    std::string joined;
    for (const auto &value : split_journal_entry({1, 1, 1}, lines)) {
        const auto piece = parse_journal_part(value);
        fuzz::check(piece.ok(), "what is written is read");
        joined += piece->text;
    }
    fuzz::check(joined == lines, "parts join to the whole");
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t *data, std::size_t size)
{
    const std::string_view text(reinterpret_cast<const char *>(data), size);
    check_value(text);
    check_journal(text);
    return 0;
}
