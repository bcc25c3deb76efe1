// Payloads are counted by their users and owned by nobody else: the last release() frees.
#include "cache_payloads.h"

#include <cassert>

namespace proxymap {

namespace {

// A copied std::string takes a block of exactly its size, and none while it is short.
std::uint64_t string_bytes(const std::string &text)
{
    static const std::size_t short_bytes = std::string().capacity();
    return text.size() > short_bytes ? heap_bytes(text.size() + 1) : 0;
}

constexpr std::uint64_t smallest_payload = heap_bytes(sizeof(Payload));

} // namespace

Payloads::Payloads(const Hash_key &key, Hash_function hash, std::uint64_t max_bytes)
    : key_(key), hash_(hash), index_(Nodes{}, max_bytes / smallest_payload)
{
}

Payloads::~Payloads()
{
    assert(index_.count() == 0); // the entries are gone first
}

std::uint64_t Payloads::cost(const Record &record)
{
    std::uint64_t bytes = smallest_payload + Index::bytes_per_node;
    bytes += heap_bytes(record.fields.size() * sizeof(Record_field));
    for (const Record_field &field : record.fields)
        bytes += string_bytes(field.suffix) + string_bytes(field.value);
    return bytes;
}

std::uint32_t Payloads::hash_of(Kind kind, const Record &record) const
{
    // Each string's hash goes into the key of the next one.
    auto hash = static_cast<std::uint64_t>(kind);
    for (const Record_field &field : record.fields) {
        const auto what =
            static_cast<std::uint64_t>(field.id) << 8U | static_cast<std::uint64_t>(field.service);
        hash = hash_({key_.low ^ hash, key_.high ^ what}, field.value);
        if (!field.suffix.empty())
            hash = hash_({key_.low ^ hash, key_.high}, field.suffix);
    }
    return static_cast<std::uint32_t>(hash);
}

Payload *Payloads::share(Kind kind, const Record &record)
{
    const std::uint32_t hash = hash_of(kind, record);
    for (Payload *at = index_.first(hash); at != nullptr; at = at->next) {
        if (at->hash == hash && at->record.kind == kind && at->record.fields == record.fields) {
            ++at->users;
            return at;
        }
    }
    return nullptr;
}

Payload *Payloads::add(Kind kind, const Record &record)
{
    auto payload = std::make_unique<Payload>(
        Payload{.record = {.kind = kind, .name = {}, .fields = record.fields, .position = {}},
                .bytes = cost(record),
                .hash = hash_of(kind, record),
                .users = 1,
                .content = ++last_content_});
    index_.insert(payload.get());
    used_bytes_ += payload->bytes;
    return payload.release(); // to its users
}

void Payloads::release(Payload *payload)
{
    if (payload == nullptr || --payload->users > 0)
        return;
    index_.erase(payload);
    used_bytes_ -= payload->bytes;
    const std::unique_ptr<Payload> freed(payload);
}

void Payloads::protect(Payload *payload)
{
    if (payload->protected_users++ == 0)
        protected_bytes_ += payload->bytes;
}

void Payloads::unprotect(Payload *payload)
{
    if (--payload->protected_users == 0)
        protected_bytes_ -= payload->bytes;
}

std::uint64_t Payloads::allocated_bytes() const
{
    return used_bytes_ - index_.count() * Index::bytes_per_node + index_.bytes();
}

std::uint64_t Payloads::slack_bytes()
{
    return Index::slack_bytes;
}

} // namespace proxymap
