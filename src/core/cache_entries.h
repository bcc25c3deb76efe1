// The entries of the cache: 64 bytes each, one cache line, found by kind and whole name, and
// linked into four lists by age of use. No policy here: which entry moves or goes, cache.cc says.
//
// Entries are numbered without gaps. Removing one gives its number to the last one, so the
// memory shrinks with the entries: a number is good only until the next remove().
#pragma once

#include "cache_index.h"
#include "cache_payloads.h"

#include <array>
#include <string_view>

namespace proxymap {

using Entry_id = std::uint32_t;
inline constexpr Entry_id no_entry = UINT32_MAX;

struct alignas(64) Entry {
    static constexpr std::size_t near_name_bytes = 28;

    Payload *payload;              // null: a proven miss
    std::uint64_t stored : 48;     // milliseconds, 8900 years of them
    std::uint64_t name_bytes : 10; // up to max_name_bytes
    std::uint64_t kind : 2;
    std::uint64_t is_protected : 1; // which list
    std::uint64_t was_hit : 1;      // since it came into that list, or was spared there
    std::uint64_t was_asked : 1;    // somebody was told to refresh it, at asked_at
    Entry_id next;                  // belongs to the index
    Entry_id newer, older;          // belong to the list
    std::uint32_t hash;
    std::uint32_t asked_at;           // milliseconds, modulo 2^32
    char name_place[near_name_bytes]; // the name, or a pointer to a longer one

    std::string_view name() const;
};
static_assert(sizeof(Entry) == 64);

class Entries {
  public:
    enum class Part : std::uint8_t { found, missing };

    struct List {
        Entry_id newest = no_entry;
        Entry_id oldest = no_entry;
        std::uint64_t count = 0;
        std::uint64_t bytes = 0; // cost() of its entries
    };

    Entries(const Hash_key &key, Hash_function hash, std::uint64_t max_bytes);
    ~Entries();
    Entries(const Entries &) = delete;
    Entries &operator=(const Entries &) = delete;

    Entry &operator[](Entry_id id) { return entries_[id]; }

    // Or no_entry.
    Entry_id find(Kind kind, std::string_view name) const;
    // The name must be absent and at most max_name_bytes long. Puts it, as the newest, into the
    // list for the payload and is_protected. Changes nothing when it throws std::bad_alloc.
    Entry_id add(Kind kind, std::string_view name, Payload *payload, bool is_protected);
    // Its payload stays: that is the caller's. The last entry takes its number.
    void remove(Entry_id id);
    // Makes it the newest of the list for is_protected.
    void move(Entry_id id, bool is_protected);
    // All of them.
    void clear();

    const List &list(Part part, bool is_protected) const;

    // What add() takes.
    static std::uint64_t cost(std::string_view name);
    // At most cost() of all entries, slack_bytes and the lists of pages.
    std::uint64_t allocated_bytes() const;
    static std::uint64_t slack_bytes();

  private:
    struct Nodes {
        using Link = Entry_id;
        static constexpr Link nil = no_entry;
        Paged_array<Entry> *entries;
        Link &next(Link id) const { return (*entries)[id].next; }
        std::uint32_t hash(Link id) const { return (*entries)[id].hash; }
    };
    using Index = Linear_index<Nodes>;

    std::uint32_t hash_of(Kind kind, std::string_view name) const;
    List &list_of(const Entry &entry);
    void link(Entry_id id);
    void unlink(Entry_id id);

    Hash_key key_;
    Hash_function hash_;
    Paged_array<Entry> entries_;
    Index index_;
    std::array<List, 4> lists_; // part, is_protected
    std::uint64_t far_name_bytes_ = 0;
};

} // namespace proxymap
