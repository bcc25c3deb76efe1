// Entries, their names, and the lists. A name of up to 28 bytes lies in its entry; a longer one
// has a block of its own, which the entry owns by hand, since it must stay trivially copyable.
#include "cache_entries.h"

#include <cassert>
#include <cstring>

namespace proxymap {

static_assert(max_name_bytes < 1U << 10U, "Entry::name_bytes");
static_assert(static_cast<unsigned>(Kind::backend) < 1U << 2U, "Entry::kind");

namespace {

char *far_name(const Entry &entry)
{
    char *name;
    std::memcpy(&name, entry.name_place, sizeof(name));
    return name;
}

std::uint64_t far_name_cost(std::size_t name_bytes)
{
    return name_bytes > Entry::near_name_bytes ? heap_bytes(name_bytes) : 0;
}

} // namespace

std::string_view Entry::name() const
{
    const std::size_t size = name_bytes;
    return {size > near_name_bytes ? far_name(*this) : name_place, size};
}

Entries::Entries(const Hash_key &key, Hash_function hash, std::uint64_t max_bytes)
    : key_(key), hash_(hash), entries_(max_bytes / sizeof(Entry)),
      index_(Nodes{&entries_}, max_bytes / sizeof(Entry))
{
}

Entries::~Entries()
{
    clear();
}

std::uint64_t Entries::cost(std::string_view name)
{
    return sizeof(Entry) + Index::bytes_per_node + far_name_cost(name.size());
}

std::uint32_t Entries::hash_of(Kind kind, std::string_view name) const
{
    const std::uint64_t hash = hash_(key_, name);
    return static_cast<std::uint32_t>(hash) + static_cast<std::uint32_t>(kind) * 0x9e3779b9U;
}

Entry_id Entries::find(Kind kind, std::string_view name) const
{
    const std::uint32_t hash = hash_of(kind, name);
    Entry_id id = index_.first(hash);
    while (id != no_entry) {
        const Entry &entry = entries_[id];
        if (entry.hash == hash && entry.kind == static_cast<unsigned>(kind) && entry.name() == name)
            break;
        id = entry.next;
    }
    return id;
}

Entry_id Entries::add(Kind kind, std::string_view name, Payload *payload, bool is_protected)
{
    assert(name.size() <= max_name_bytes);
    Entry entry = {};
    entry.payload = payload;
    entry.name_bytes = name.size() & 0x3ffU;
    entry.kind = static_cast<unsigned>(kind) & 3U;
    entry.is_protected = is_protected;
    entry.hash = hash_of(kind, name);

    std::unique_ptr<char[]> block;
    if (name.size() > Entry::near_name_bytes) {
        block = std::make_unique_for_overwrite<char[]>(name.size());
        const char *place = block.get();
        std::memcpy(entry.name_place, &place, sizeof(place));
        std::memcpy(block.get(), name.data(), name.size());
    } else if (!name.empty()) {
        std::memcpy(entry.name_place, name.data(), name.size());
    }

    const auto id = static_cast<Entry_id>(entries_.size());
    entries_.push_back(entry);
    try {
        index_.insert(id);
    } catch (...) {
        entries_.pop_back();
        throw;
    }
    static_cast<void>(block.release()); // to the entry
    far_name_bytes_ += far_name_cost(name.size());
    link(id);
    return id;
}

void Entries::remove(Entry_id id)
{
    unlink(id);
    index_.erase(id);
    const Entry &entry = entries_[id];
    far_name_bytes_ -= far_name_cost(entry.name_bytes);
    if (entry.name_bytes > Entry::near_name_bytes)
        const std::unique_ptr<char[]> freed(far_name(entry));

    const auto last = static_cast<Entry_id>(entries_.size() - 1);
    if (id != last) {
        index_.rename(last, id);
        const Entry &moved = entries_[id] = entries_[last];
        List &list = list_of(moved);
        (moved.newer == no_entry ? list.newest : entries_[moved.newer].older) = id;
        (moved.older == no_entry ? list.oldest : entries_[moved.older].newer) = id;
    }
    entries_.pop_back();
}

void Entries::move(Entry_id id, bool is_protected)
{
    unlink(id);
    entries_[id].is_protected = is_protected;
    link(id);
}

void Entries::clear()
{
    for (std::size_t id = 0; id < entries_.size(); ++id) {
        if (entries_[id].name_bytes > Entry::near_name_bytes)
            const std::unique_ptr<char[]> freed(far_name(entries_[id]));
    }
    entries_.clear();
    index_.clear();
    lists_ = {};
    far_name_bytes_ = 0;
}

const Entries::List &Entries::list(Part part, bool is_protected) const
{
    return lists_[static_cast<std::size_t>(part) * 2 + is_protected];
}

Entries::List &Entries::list_of(const Entry &entry)
{
    return lists_[(entry.payload == nullptr ? 2U : 0U) + entry.is_protected];
}

void Entries::link(Entry_id id)
{
    Entry &entry = entries_[id];
    List &list = list_of(entry);
    entry.newer = no_entry;
    entry.older = list.newest;
    (list.newest == no_entry ? list.oldest : entries_[list.newest].newer) = id;
    list.newest = id;
    ++list.count;
    list.bytes += cost(entry.name());
}

void Entries::unlink(Entry_id id)
{
    const Entry &entry = entries_[id];
    List &list = list_of(entry);
    (entry.newer == no_entry ? list.newest : entries_[entry.newer].older) = entry.older;
    (entry.older == no_entry ? list.oldest : entries_[entry.older].newer) = entry.newer;
    --list.count;
    list.bytes -= cost(entry.name());
}

std::uint64_t Entries::allocated_bytes() const
{
    return entries_.bytes() + index_.bytes() + far_name_bytes_;
}

std::uint64_t Entries::slack_bytes()
{
    return Index::slack_bytes + 2 * Paged_array<Entry>::allocated_page_bytes;
}

} // namespace proxymap
