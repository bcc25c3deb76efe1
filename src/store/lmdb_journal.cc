// See lmdb_journal.h.
#include "lmdb_journal.h"

#include <cstdio>
#include <set>
#include <utility>
#include <vector>

namespace proxymap {
namespace {

constexpr std::string_view log_prefix = "log:";

// Entries beyond the limits, oldest first. Only their sizes are looked at, not their pages.
Result<Done> let_old_go(Lmdb_txn &txn)
{
    struct Entry {
        std::string key;
        std::size_t bytes;
    };
    std::vector<Entry> entries;
    std::size_t bytes = 0;
    {
        Lmdb_cursor cursor(txn);
        auto entry = cursor.first_from(log_prefix);
        for (; entry && *entry && (*entry)->key.starts_with(log_prefix); entry = cursor.next()) {
            entries.push_back({std::string((*entry)->key), (*entry)->value.size()});
            bytes += entries.back().bytes;
        }
        if (!entry)
            return entry.error();
    }
    std::size_t left = entries.size();
    for (const auto &entry : entries) {
        if (left <= 1 || (left <= max_log_entries && bytes <= max_log_bytes))
            break;
        if (auto done = txn.remove(entry.key); !done)
            return done;
        bytes -= entry.bytes;
        left--;
    }
    return Done{};
}

} // namespace

void Changed_keys::add(std::string key, Kind kind, const std::string &name)
{
    if (all_)
        return;
    lines_.try_emplace(std::move(key), format_journal_line(kind, name));
    if (lines_.size() > max_journal_keys)
        add_all();
}

void Changed_keys::add_all()
{
    all_ = true;
    lines_.clear();
}

std::string Changed_keys::text() const
{
    if (all_)
        return std::string(journal_reset);
    std::string text;
    for (const auto &[key, line] : lines_)
        text += line;
    return text;
}

std::string log_key(const Position &position)
{
    char text[32]; // 8 + 1 + 16 and the end
    const int length = std::snprintf(text, sizeof(text), "%08lx.%016llx",
                                     static_cast<unsigned long>(position.epoch),
                                     static_cast<unsigned long long>(position.sequence));
    return std::string(log_prefix).append(text, static_cast<std::size_t>(length));
}

Result<Done> write_log(Lmdb_txn &txn, const Position &position, const std::string &text)
{
    if (auto done = txn.put(log_key(position), text, false); !done)
        return done;
    return let_old_go(txn);
}

Result<Changes> read_changes(const Lmdb_txn &txn, const Position &since, const Position &now)
{
    Changes everything;
    everything.reset = true;
    if (since.table != now.table || since.epoch != now.epoch || now.older_than(since) ||
        now.sequence - since.sequence > max_log_entries)
        return everything;
    std::set<Key> keys;
    for (Position at = since; at != now;) {
        at.sequence++;
        const auto text = txn.get(log_key(at));
        if (!text)
            return text.error();
        if (!*text)
            return everything;
        auto entry = parse_journal_text(**text);
        if (!entry)
            return Error{"lmdb: " + log_key(at) + ": " + entry.error().message};
        if (entry->reset)
            return everything;
        keys.insert(std::make_move_iterator(entry->keys.begin()),
                    std::make_move_iterator(entry->keys.end()));
    }
    Changes changes;
    changes.keys.reserve(keys.size());
    while (!keys.empty())
        changes.keys.push_back(std::move(keys.extract(keys.begin()).value()));
    return changes;
}

} // namespace proxymap
