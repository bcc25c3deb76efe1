// See mirror_journal.h. MUST never take another position's entry for the one that was asked for: a
// key of the journal is used again in the next epoch.
#include "mirror_journal.h"

#include "core/journal.h"
#include "store/mirror_journal.h"

#include <set>
#include <utility>

namespace proxymap {

namespace {

constexpr std::size_t max_first = 20;

} // namespace

Result<std::optional<std::string>>
read_mirror_entry(Mirror_reading &mirror, const std::string &name_space, const Position &position)
{
    const Get_items get = [&mirror](const auto &keys) { return mirror.get(keys); };
    const auto items = get({journal_key(name_space, position.sequence, 1)});
    if (!items)
        return items.error();
    return read_journal_entry(get, name_space, position, items->front());
}

// From the newest backwards: the oldest may be gone, or of an older epoch.
Result<Beyond> read_beyond(Mirror_reading &mirror, const std::string &name_space,
                           const Position &table, const Position &held)
{
    Beyond beyond;
    std::set<Key> keys;
    Position at = held;
    const auto reached = [&] {
        return at.epoch == table.epoch ? at.sequence <= table.sequence : at.sequence == 0;
    };
    for (; !reached() && beyond.all_named; at.sequence--) {
        const auto text = read_mirror_entry(mirror, name_space, at);
        if (!text)
            return text.error();
        const auto entry =
            *text ? parse_journal_text(**text) : Result<Journal_entry>(Error{"it is gone"});
        beyond.all_named = entry && !entry->reset;
        if (!entry)
            break;
        beyond.positions++;
        keys.insert(entry->keys.begin(), entry->keys.end());
    }
    beyond.changes = keys.size();
    for (const Key &key : keys) {
        if (beyond.first.size() == max_first)
            break;
        beyond.first.push_back(std::string(to_string(key.kind)) + " " + key.name);
    }
    return beyond;
}

} // namespace proxymap
