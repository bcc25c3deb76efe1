#include "mirror_update.h"

#include "progress.h"

namespace proxymap {

namespace {

// Whether the mirror may hold records that this table does not know of.
bool is_foreign(const Position &held, const Position &table)
{
    return held.known() && (held.table != table.table || table.older_than(held));
}

Result<Done> send_change(Mirror_writer &writer, Table &table, const std::vector<Key> &keys,
                         Progress &progress)
{
    for (const Key &key : keys) {
        const Result<std::optional<Record>> record = table.get(key.kind, key.name);
        if (!record)
            return record.error();
        Result<Done> sent =
            record->has_value() ? writer.put(**record) : writer.remove(key.kind, key.name);
        if (!sent)
            return sent;
        progress.step();
    }
    return Done{};
}

Result<Done> send_all(Mirror_writer &writer, Table &table, Progress &progress,
                      std::uint64_t *count_r)
{
    Result<Done> sent = Done{};
    const Result<Done> read = table.for_each([&](const Record &record) {
        sent = writer.put(record);
        ++*count_r;
        progress.step();
        return sent.ok();
    });
    return read ? sent : read;
}

} // namespace

Result<std::string> update_mirror(const std::string &name, const Marker &held,
                                  Mirror_writer &writer, Table &table, const Mirror_change &change)
{
    if (is_foreign(held.position, change.now))
        return Error{name + ": holds records of another or a newer table (position " +
                     format_position(held.position) + ", this table is at " +
                     format_position(change.now) +
                     "): if this table is the right one, empty the mirror first (flush_all)"};
    const bool whole = !held.complete || held.position != change.before;
    if (!whole && change.keys.empty())
        return std::string("current");

    Progress progress(name);
    if (const Result<Done> begun = writer.begin(change.now); !begun)
        return begun.error();
    std::uint64_t count = change.keys.size();
    if (whole)
        count = 0;
    const Result<Done> sent = whole ? send_all(writer, table, progress, &count)
                                    : send_change(writer, table, change.keys, progress);
    if (!sent)
        return sent.error();
    if (const Result<Done> finished = writer.finish(change.now); !finished)
        return finished.error();
    return std::to_string(count) + (count == 1 ? " record" : " records") + " sent" +
           (whole ? " (the whole table)" : "");
}

} // namespace proxymap
