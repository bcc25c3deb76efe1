// See watching.h. Reads from the newest entry backwards: the oldest ones may go meanwhile.
#include "watching.h"

#include <utility>

namespace proxymap {

namespace {

Result<Done> add_entry(const Position &at, const std::string &text,
                       std::vector<Shown_change> &changes)
{
    auto entry = parse_journal_text(text);
    if (!entry)
        return Error{"the journal at position " + format_position(at) + ": " +
                     entry.error().message};
    if (entry->reset)
        changes.push_back({at, entry->time, true, {}});
    for (Key &key : entry->keys)
        changes.push_back({at, entry->time, false, std::move(key)});
    return Done{};
}

} // namespace

Result<std::vector<Shown_change>> changes_between(const Position &since, const Position &now,
                                                  const Entry_reader &read)
{
    std::vector<Shown_change> changes;
    if (since == now)
        return changes;
    const bool leads =
        since.table == now.table && since.epoch == now.epoch && since.older_than(now);
    if (since.known() && !leads) {
        changes.push_back({now, 0, true, {}});
        return changes;
    }
    const std::uint64_t last_known = since.known() ? since.sequence : 0;
    std::vector<std::pair<Position, std::string>> entries; // newest first
    std::size_t bytes = 0;
    Position at = now;
    for (; at.sequence > last_known && bytes < max_shown_bytes; at.sequence--) {
        auto text = read(at);
        if (!text)
            return text.error();
        if (!*text)
            break;
        bytes += (*text)->size();
        entries.emplace_back(at, std::move(**text));
    }
    if (since.known() && at.sequence > last_known)
        changes.push_back({at, 0, true, {}});
    for (; !entries.empty(); entries.pop_back()) {
        if (auto added = add_entry(entries.back().first, entries.back().second, changes); !added)
            return added.error();
    }
    return changes;
}

} // namespace proxymap
