// What the found entries of the cache say, each different one kept once: a million users that all
// say `backend=b1` share one parsed Record.
//
// A payload is kind and fields. It must not carry a name or a position: those differ from user to
// user, so they are empty here.
#pragma once

#include "cache_hash.h"
#include "cache_index.h"
#include "record.h"

namespace proxymap {

struct Payload {
    Record record;           // name and position empty
    std::uint64_t bytes = 0; // all that it takes, its place in the index included
    Payload *next = nullptr; // belongs to the index
    std::uint32_t hash = 0;
    std::uint32_t users = 0;           // entries that point here
    std::uint32_t protected_users = 0; // those of them that are protected
    std::uint64_t content = 0;         // its number, which no other payload ever had
};

class Payloads {
  public:
    Payloads(const Hash_key &key, Hash_function hash, std::uint64_t max_bytes);
    ~Payloads();
    Payloads(const Payloads &) = delete;
    Payloads &operator=(const Payloads &) = delete;

    // The payload that says the same, with one more user; null when there is none.
    Payload *share(Kind kind, const Record &record);
    // A new payload with one user, to be called when share() finds none. Changes nothing when it
    // throws std::bad_alloc.
    Payload *add(Kind kind, const Record &record);
    // One user less. The payload goes with its last one. Null is allowed.
    void release(Payload *payload);

    // A user of the payload became protected, or is so no longer.
    void protect(Payload *payload);
    void unprotect(Payload *payload);

    // What add() would take.
    static std::uint64_t cost(const Record &record);

    std::uint64_t used_bytes() const { return used_bytes_; }
    std::uint64_t protected_bytes() const { return protected_bytes_; }
    // At most used_bytes(), slack_bytes and the list of the index's pages.
    std::uint64_t allocated_bytes() const;
    static std::uint64_t slack_bytes();

  private:
    struct Nodes {
        using Link = Payload *;
        static constexpr Link nil = nullptr;
        Link &next(Link payload) const { return payload->next; }
        std::uint32_t hash(Link payload) const { return payload->hash; }
    };
    using Index = Linear_index<Nodes>;

    std::uint32_t hash_of(Kind kind, const Record &record) const;

    Hash_key key_;
    Hash_function hash_;
    Index index_;
    std::uint64_t used_bytes_ = 0;
    std::uint64_t protected_bytes_ = 0;
    std::uint64_t last_content_ = 0;
};

} // namespace proxymap
