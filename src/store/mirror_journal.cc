// MUST say reset where anything is missing or odd: whoever asks keeps what is not named.
#include "mirror_journal.h"

#include <algorithm>
#include <iterator>
#include <vector>

namespace proxymap {

namespace {

// Of one multi-get: most entries have some bytes, but each may have max_journal_part_bytes.
constexpr std::uint64_t entries_at_once = 16;

} // namespace

Result<std::optional<std::string>> read_journal_entry(const Get_items &get,
                                                      const std::string &name_space,
                                                      const Position &position,
                                                      const std::optional<Memcached_item> &first)
{
    const std::optional<std::string> none;
    if (!first)
        return none;
    const auto head = parse_journal_part(first->value);
    if (!head || head->position != position)
        return none;
    std::string text(head->text);
    std::vector<std::string> keys;
    for (std::size_t part = 2; part <= head->parts; part++)
        keys.push_back(journal_key(name_space, position.sequence, part));
    if (keys.empty())
        return std::optional(std::move(text));
    const auto items = get(keys);
    if (!items)
        return items.error();
    for (const auto &item : *items) {
        if (!item)
            return none;
        const auto part = parse_journal_part(item->value);
        if (!part || part->position != position || part->parts != head->parts)
            return none;
        text += part->text;
    }
    return std::optional(std::move(text));
}

Result<Journal_entry> read_mirror_journal(Memcached_connection &connection,
                                          const std::string &name_space, const Position &from,
                                          const Position &to)
{
    const Journal_entry everything{true, {}};
    if (!from.known() || from.table != to.table || from.epoch != to.epoch || to.older_than(from) ||
        to.sequence - from.sequence > mirror_journal_entries)
        return everything;
    const auto get = [&connection](const auto &keys) { return connection.get(keys); };
    Journal_entry changes;
    for (Position at = from; at != to;) {
        const auto count = std::min(to.sequence - at.sequence, entries_at_once);
        std::vector<std::string> keys;
        for (std::uint64_t i = 1; i <= count; i++)
            keys.push_back(journal_key(name_space, at.sequence + i, 1));
        const auto items = get(keys);
        if (!items)
            return items.error();
        for (const auto &item : *items) {
            at.sequence++;
            const auto text = read_journal_entry(get, name_space, at, item);
            if (!text)
                return text.error();
            if (!*text)
                return everything;
            auto entry = parse_journal_text(**text);
            if (!entry || entry->reset ||
                changes.keys.size() + entry->keys.size() > max_journal_keys)
                return everything;
            std::move(entry->keys.begin(), entry->keys.end(), std::back_inserter(changes.keys));
        }
    }
    return changes;
}

} // namespace proxymap
