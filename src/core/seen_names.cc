// The names of a routes file so far. MUST never call two names equal that are not.
#include "seen_names.h"

#include <cstring>
#include <functional>

namespace proxymap {

namespace {

constexpr std::size_t first_slots = 1024;

// In front of each name in Seen_names::entries_.
struct Entry_head {
    std::uint64_t line;
    std::uint16_t length;
    Kind kind;
};
static_assert(max_name_bytes <= UINT16_MAX);
constexpr std::size_t line_at = 0;
constexpr std::size_t length_at = line_at + sizeof(std::uint64_t);
constexpr std::size_t kind_at = length_at + sizeof(std::uint16_t);
constexpr std::size_t name_at = kind_at + sizeof(Kind);

void append_entry(std::string &entries, const Entry_head &head, std::string_view name)
{
    char bytes[name_at];
    std::memcpy(bytes + line_at, &head.line, sizeof(head.line));
    std::memcpy(bytes + length_at, &head.length, sizeof(head.length));
    std::memcpy(bytes + kind_at, &head.kind, sizeof(head.kind));
    entries.append(bytes, sizeof(bytes));
    entries.append(name);
}

Entry_head read_head(const char *bytes)
{
    Entry_head head{};
    std::memcpy(&head.line, bytes + line_at, sizeof(head.line));
    std::memcpy(&head.length, bytes + length_at, sizeof(head.length));
    std::memcpy(&head.kind, bytes + kind_at, sizeof(head.kind));
    return head;
}

std::uint64_t hash_of(Kind kind, std::string_view name)
{
    return std::hash<std::string_view>{}(name) ^ (static_cast<std::uint64_t>(kind) << 60U);
}

} // namespace

std::size_t Seen_names::find_slot(Kind kind, std::string_view name, std::uint64_t hash) const
{
    const auto mask = slots_.size() - 1;
    auto index = static_cast<std::size_t>(hash) & mask;
    for (;; index = (index + 1) & mask) {
        const auto &slot = slots_[index];
        if (slot.entry == 0) {
            return index;
        }
        if (slot.hash != hash) {
            continue;
        }
        const char *entry = entries_.data() + slot.entry - 1;
        const auto head = read_head(entry);
        if (head.kind == kind && std::string_view(entry + name_at, head.length) == name) {
            return index;
        }
    }
}

void Seen_names::grow()
{
    std::vector<Slot> old(slots_.empty() ? first_slots : slots_.size() * 2);
    old.swap(slots_);
    const auto mask = slots_.size() - 1;
    for (const auto &slot : old) {
        if (slot.entry != 0) {
            auto index = static_cast<std::size_t>(slot.hash) & mask;
            while (slots_[index].entry != 0) {
                index = (index + 1) & mask;
            }
            slots_[index] = slot;
        }
    }
}

std::uint64_t Seen_names::add(Kind kind, std::string_view name, std::uint64_t line)
{
    if (used_ >= slots_.size() / 4 * 3) {
        grow();
    }
    const auto hash = hash_of(kind, name);
    auto &slot = slots_[find_slot(kind, name, hash)];
    if (slot.entry != 0) {
        return read_head(entries_.data() + slot.entry - 1).line;
    }
    slot = {entries_.size() + 1, hash};
    append_entry(entries_, {line, static_cast<std::uint16_t>(name.size()), kind}, name);
    used_++;
    return 0;
}

bool Seen_names::contains(Kind kind, std::string_view name) const
{
    return !slots_.empty() && slots_[find_slot(kind, name, hash_of(kind, name))].entry != 0;
}

} // namespace proxymap
