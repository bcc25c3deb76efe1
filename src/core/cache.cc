// The cache: which entry is held, which goes, and how old it may be.
//
// How it works. Entries (cache_entries.h) are found by a hash index (cache_index.h) and are in one
// of four lists: found or missing, each on probation or protected. An entry begins on probation;
// its first use, that is the second login that needs it, protects it. Who must make room is the
// oldest on probation. Protected entries become the oldest on probation's newest only when they
// hold more than 4/5 of their part, and one that was used since is spared the first time.
//
// What it takes, in bytes, for a `user` record that names a backend, with a name up to 28 bytes:
//     64  the entry: name, times, links      8  two buckets of the index
//     = 72; the fields are shared by all that say the same (cache_payloads.h)
// A longer name adds a block for it; fields of its own (destuser=...) add 300 or so.
//
// The ceiling. `budget` is the limit less what half-filled pages can waste at worst. Found entries
// and their payloads never take more than 7/8 of it. Missing ones may take all that found ones do
// not, since they are what keeps users of a domain or default record going in an outage; they
// give way when found ones come, down to their eighth. Room is made before anything is allocated.
//
// MUST: never hold what was overwritten or dropped; never say missing for what is not proven so.
#include "cache.h"

#include "cache_entries.h"
#include "cache_payloads.h"

#include <algorithm>
#include <new>

namespace proxymap {

namespace {

using Part = Entries::Part;

constexpr std::uint64_t most_bytes = 128ULL << 30U; // entries are numbered in 32 bits
constexpr std::uint64_t missing_share = 8;          // 1/8 of the budget is theirs alone
constexpr std::uint64_t ask_again_ms = 5000;
// Protected entries looked at to make room for one: so many steps at most, then it waits.
constexpr int sparing_steps = 4;

} // namespace

struct Cache::Impl {
    Impl(const Cache_limits &given, Hash_function hash, const Hash_key &key)
        : limits(given), max_bytes(std::min(given.bytes, most_bytes)),
          payloads(key, hash, max_bytes), entries(key, hash, max_bytes)
    {
        const std::uint64_t overhead =
            allocated_bytes() + Payloads::slack_bytes() + Entries::slack_bytes();
        budget = max_bytes > overhead ? max_bytes - overhead : 0;
    }
    ~Impl() { clear(); }
    Impl(const Impl &) = delete;
    Impl &operator=(const Impl &) = delete;

    const Cache_limits limits;
    const std::uint64_t max_bytes;
    std::uint64_t budget = 0;
    Payloads payloads;
    Entries entries;
    Cache_stats counts;                // hits, misses, evictions
    std::uint64_t outdated_before = 0; // what was stored before is

    std::uint64_t allocated_bytes() const
    {
        return heap_bytes(sizeof(Impl)) + entries.allocated_bytes() + payloads.allocated_bytes();
    }

    std::uint64_t protected_bytes(Part part) const
    {
        return entries.list(part, true).bytes +
               (part == Part::found ? payloads.protected_bytes() : 0);
    }

    std::uint64_t used_bytes(Part part) const
    {
        return entries.list(part, false).bytes + entries.list(part, true).bytes +
               (part == Part::found ? payloads.used_bytes() : 0);
    }

    void set_protected(Entry_id id, bool is_protected)
    {
        Payload *payload = entries[id].payload;
        if (payload != nullptr && is_protected && !entries[id].is_protected)
            payloads.protect(payload);
        if (payload != nullptr && !is_protected && entries[id].is_protected)
            payloads.unprotect(payload);
        entries.move(id, is_protected);
    }

    void use(Entry_id id)
    {
        if (entries[id].is_protected)
            entries[id].was_hit = true;
        else
            set_protected(id, true);
    }

    void remove(Entry_id id)
    {
        Payload *payload = entries[id].payload;
        if (payload != nullptr && entries[id].is_protected)
            payloads.unprotect(payload);
        entries.remove(id);
        payloads.release(payload);
    }

    // The part must not be empty.
    void evict(Part part)
    {
        for (int step = 0; step < sparing_steps; ++step) {
            if (protected_bytes(part) <= used_bytes(part) / 5 * 4)
                break;
            const Entry_id id = entries.list(part, true).oldest;
            const bool spared = entries[id].was_hit;
            // Back on probation, one more use is enough.
            entries[id].was_hit = !spared;
            set_protected(id, spared);
        }
        const Entry_id on_probation = entries.list(part, false).oldest;
        remove(on_probation != no_entry ? on_probation : entries.list(part, true).oldest);
        ++counts.evictions;
    }

    bool empty(Part part) const
    {
        return entries.list(part, false).count + entries.list(part, true).count == 0;
    }

    // False: not even an empty part has room for so much.
    bool make_room(Part part, std::uint64_t needed)
    {
        if (part == Part::found) {
            const std::uint64_t share = budget - budget / missing_share;
            while (used_bytes(Part::found) + needed > share) {
                if (empty(Part::found))
                    return false;
                evict(Part::found);
            }
        }
        while (used_bytes(Part::found) + used_bytes(Part::missing) + needed > budget) {
            if (empty(Part::missing))
                return false;
            evict(Part::missing);
        }
        return true;
    }

    // The name must be absent. Null record: a proven miss. Returns what is held, if it is a record.
    const Payload *add(Kind kind, std::string_view name, const Record *record, std::uint64_t now,
                       bool is_protected)
    {
        // Taken first: making room must not let go what is about to be shared.
        Payload *payload = record != nullptr ? payloads.share(kind, *record) : nullptr;
        const std::uint64_t needed =
            Entries::cost(name) +
            (record != nullptr && payload == nullptr ? Payloads::cost(*record) : 0);
        try {
            if (make_room(record != nullptr ? Part::found : Part::missing, needed)) {
                if (record != nullptr && payload == nullptr)
                    payload = payloads.add(kind, *record);
                stamp(entries[entries.add(kind, name, payload, is_protected)], now);
                if (payload != nullptr && is_protected)
                    payloads.protect(payload);
                return payload;
            }
        } catch (const std::bad_alloc &) {
            // Not held, then.
        }
        payloads.release(payload);
        return nullptr;
    }

    // What is stored in the very millisecond of a revalidation, but after it, is dated behind it.
    void stamp(Entry &entry, std::uint64_t now) const
    {
        entry.stored = std::max(now, outdated_before) & ((1ULL << 48U) - 1);
        entry.was_asked = false;
    }

    const Payload *put(Kind kind, std::string_view name, const Record *record, std::uint64_t now)
    {
        const Entry_id id = entries.find(kind, name);
        bool is_protected = false;
        if (id != no_entry) {
            Entry &entry = entries[id];
            const bool same_part = (entry.payload == nullptr) == (record == nullptr);
            if (same_part &&
                (record == nullptr || entry.payload->record.fields == record->fields)) {
                stamp(entry, now);
                return entry.payload;
            }
            is_protected = same_part && entry.is_protected;
            remove(id);
        }
        if (name.size() > max_name_bytes)
            return nullptr;
        return add(kind, name, record, now, is_protected);
    }

    bool outdated(const Entry &entry) const { return entry.stored < outdated_before; }

    Age age_of(Entry &entry, std::uint64_t age_ms, std::uint64_t now) const
    {
        if (outdated(entry))
            return Age::stale;
        if (entry.payload == nullptr)
            return age_ms < limits.negative_ttl ? Age::fresh : Age::stale;
        if (age_ms >= limits.ttl)
            return Age::stale;
        if (age_ms < limits.ttl - limits.ttl / 10)
            return Age::fresh;
        const auto now32 = static_cast<std::uint32_t>(now);
        if (entry.was_asked && now32 - entry.asked_at < ask_again_ms)
            return Age::fresh;
        entry.was_asked = true;
        entry.asked_at = now32;
        return Age::refresh;
    }

    bool find(Kind kind, std::string_view name, std::uint64_t now, Cache_hit *hit_r)
    {
        // Nothing is removed here, however old: records of earlier finds stay valid.
        const Entry_id id = entries.find(kind, name);
        if (id == no_entry)
            return false;
        Entry &entry = entries[id];
        const std::uint64_t age_ms = now > entry.stored ? now - entry.stored : 0;
        const Age age = age_of(entry, age_ms, now);
        if (age == Age::stale && age_ms >= limits.stale_ttl)
            return false;
        const bool found = entry.payload != nullptr;
        *hit_r = {.outcome = found ? Outcome::found : Outcome::missing,
                  .record = found ? &entry.payload->record : nullptr,
                  .age = age,
                  .age_ms = age_ms,
                  .outdated = outdated(entry),
                  .content = found ? entry.payload->content : 0};
        use(id);
        return true;
    }

    void clear()
    {
        for (const Part part : {Part::found, Part::missing}) {
            for (const bool is_protected : {false, true}) {
                Entry_id id = entries.list(part, is_protected).newest;
                for (; id != no_entry; id = entries[id].older) {
                    Payload *payload = entries[id].payload;
                    if (payload != nullptr && is_protected)
                        payloads.unprotect(payload);
                    payloads.release(payload);
                }
            }
        }
        entries.clear();
    }
};

Cache::Cache(const Cache_limits &limits) : Cache(limits, sip_hash<1, 3>) {}

Cache::Cache(const Cache_limits &limits, Hash_function hash)
    : impl_(std::make_unique<Impl>(limits, hash, random_hash_key()))
{
}

Cache::~Cache() = default;

bool Cache::find(Kind kind, std::string_view name, std::uint64_t now, Cache_hit *hit_r)
{
    const bool usable = impl_->find(kind, name, now, hit_r);
    ++(usable ? impl_->counts.hits : impl_->counts.misses);
    return usable;
}

std::uint64_t Cache::put_found(Kind kind, std::string_view name, const Record_ref &record,
                               std::uint64_t now)
{
    if (record == nullptr) { // a bug of the caller, but not one that becomes "unknown user"
        drop(kind, name);
        return 0;
    }
    const Payload *held = impl_->put(kind, name, record.get(), now);
    return held != nullptr ? held->content : 0;
}

void Cache::put_missing(Kind kind, std::string_view name, std::uint64_t now)
{
    impl_->put(kind, name, nullptr, now);
}

void Cache::drop(Kind kind, std::string_view name)
{
    const Entry_id id = impl_->entries.find(kind, name);
    if (id != no_entry)
        impl_->remove(id);
}

void Cache::revalidate(std::uint64_t now)
{
    impl_->outdated_before = std::max(now, impl_->outdated_before) + 1;
}

void Cache::clear()
{
    impl_->clear();
}

Cache_stats Cache::stats() const
{
    Cache_stats stats = impl_->counts;
    for (const bool is_protected : {false, true}) {
        stats.found_entries += impl_->entries.list(Part::found, is_protected).count;
        stats.missing_entries += impl_->entries.list(Part::missing, is_protected).count;
    }
    stats.bytes = impl_->allocated_bytes();
    return stats;
}

} // namespace proxymap
