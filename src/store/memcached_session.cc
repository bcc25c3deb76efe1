// Batches on one connection.
//
// MUST never use a connection again after an error, nor take a value for a record of another kind
// or name than was asked for, nor let a value into a sentence.
#include "memcached_session.h"

#include "../core/key.h"
#include "mirror_journal.h"

#include <algorithm>
#include <utility>

namespace proxymap {

namespace {

constexpr std::uint64_t quiet_after_refusal_ms = 60'000;

std::optional<Marker> read_marker(const std::optional<Memcached_item> &item, bool *unreadable)
{
    if (!item) {
        return std::nullopt;
    }
    auto marker = parse_marker(item->value);
    if (!marker || !marker->position.known()) {
        *unreadable = true;
        return std::nullopt;
    }
    return marker;
}

// Whether the reply's first and last item, the markers, are both there and differ.
bool marker_moved(const Memcached_connection::Items &items)
{
    const auto &before = items.front();
    const auto &after = items.back();
    return before && after && before->value != after->value;
}

// A position of another table is none that anybody would take over.
bool is_news(const Position &position, const Position &known)
{
    return !known.known() || (position.table == known.table && known.older_than(position));
}

} // namespace

Memcached_session::Memcached_session(const Mirror_config &config)
    : config_(config), memo_(config.key_case), addresses_(config.address.host)
{
}

Batch Memcached_session::ask(const std::vector<const Key *> &keys, const Position &known)
{
    Batch batch;
    batch.known = known;
    batch.asked = monotonic_ms();
    asked_.resize(keys.size() + 2);
    asked_.front() = marker_key(config_.name_space);
    for (std::size_t i = 0; i < keys.size(); i++) {
        encode_key(config_.name_space, keys[i]->kind, keys[i]->name, &asked_[i + 1]);
    }
    asked_.back() = asked_.front();

    auto items = get(asked_);
    if (items && marker_moved(*items)) {
        items = get(asked_); // a transaction came into force in the midst: now it is behind us
    }
    if (!items) {
        batch.failure = items.error().message;
        return batch;
    }
    has_marker_ = items->back().has_value();
    batch.keeps_everything = connection_->keeps_everything();
    batch.marker_before = read_marker(items->front(), &batch.marker_unreadable);
    batch.marker_after = read_marker(items->back(), &batch.marker_unreadable);
    // A flip in the midst of the reply: a record read before it may be the old one, and two
    // versions read after it are the new one. All of one reply must be of one side.
    const bool steady = batch.marker_before && batch.marker_before == batch.marker_after;
    const Position *marker = steady ? &batch.marker_after->position : nullptr;
    if (steady && batch.marker_after->complete() && is_news(*marker, known)) {
        auto changes = read_mirror_journal(*connection_, config_.name_space, known, *marker);
        if (!changes) {
            batch.failure = changes.error().message;
            connection_.reset();
            return batch;
        }
        batch.journal = Journal_step{known, *marker, std::move(*changes)};
    }
    batch.slots.resize(keys.size());
    for (std::size_t i = 0; i < keys.size(); i++) {
        if (const auto &item = (*items)[i + 1]) {
            batch.slots[i] = read(*keys[i], item->value, marker);
        }
    }
    return batch;
}

void Memcached_session::say(const Own_report &report)
{
    if (report.key.empty() || !connection_ || !has_marker_ || monotonic_ms() < say_nothing_before_)
        return;
    if (!connection_->set(report.key, report.text)) {
        connection_.reset();
        say_nothing_before_ = monotonic_ms() + quiet_after_refusal_ms;
    }
}

Result<Memcached_session::Items> Memcached_session::get(const std::vector<std::string> &keys)
{
    if (connection_ && config_.address.path.empty() && !addresses_.fixed()) {
        // The name may have moved to another server meanwhile.
        const auto addresses = addresses_.get(0);
        if (addresses &&
            std::find(addresses->begin(), addresses->end(), address_) == addresses->end()) {
            connection_.reset();
        }
    }
    const bool used_before = connection_ != nullptr;
    for (bool again = used_before;; again = false) {
        if (!connection_) {
            if (const auto connected = connect(); !connected) {
                return connected.error();
            }
        }
        auto items = connection_->get(keys);
        if (items) {
            return items;
        }
        const bool closed = connection_->closed();
        connection_.reset();
        if (!again || !closed) {
            return items;
        }
    }
}

Result<Done> Memcached_session::connect()
{
    const auto &server = config_.address;
    std::vector<std::string> addresses = {std::string()};
    if (server.path.empty()) {
        auto known = addresses_.get(config_.timeout);
        if (!known) {
            return known.error();
        }
        addresses = std::move(*known);
    }
    const std::uint64_t start = monotonic_ms();
    Error error;
    for (const auto &address : addresses) {
        auto connection =
            Memcached_connection::open({address, server.port, server.path}, config_.timeout,
                                       Memcached_connection::Use::reader);
        if (connection) {
            connection_ = std::move(*connection);
            address_ = address;
            return Done{};
        }
        error = connection.error();
        if (monotonic_ms() - start >= config_.timeout) {
            break;
        }
    }
    return error;
}

// marker: of the same reply; null when none can be relied on.
Slot Memcached_session::read(const Key &key, const std::string &value, const Position *marker)
{
    if (value.find('\n') != std::string::npos) {
        return read_versions(key, value, marker);
    }
    auto record = memo_.read(value, key.kind, key.name);
    if (!record) { // a tombstone is no record
        return read_versions(key, value, marker);
    }
    if (auto fault = bad_seal(record->seal, record->signed_text); !fault.empty()) {
        return {nullptr, std::move(fault), {}};
    }
    return {std::move(record->content), {}, record->position, key_tag(key)};
}

// A record of which two versions are there, or none: rare enough to be parsed each time.
Slot Memcached_session::read_versions(const Key &key, const std::string &value,
                                      const Position *marker) const
{
    auto stored = parse_stored_value(value, key.kind, key.name, config_.key_case);
    if (!stored) {
        return {nullptr, "its record is not understood: " + stored.error().message, {}};
    }
    for (const auto *version : {&stored->first, stored->second ? &*stored->second : nullptr}) {
        if (version == nullptr) {
            break;
        }
        if (auto fault = bad_seal(version->seal, version->signed_text); !fault.empty()) {
            return {nullptr, std::move(fault), {}};
        }
    }
    const auto version = choose_version(*stored, marker);
    if (!version) {
        return {nullptr, "its record is not understood: " + version.error().message, {}};
    }
    auto &[record, deleted, seal, signed_text] = **version;
    if (deleted) {
        return {};
    }
    const auto position = std::exchange(record.position, {});
    record.name.clear();
    return {std::make_shared<const Record>(std::move(record)), {}, position, key_tag(key)};
}

// Empty: it is good, or none is asked for.
std::string Memcached_session::bad_seal(std::string_view seal, std::string_view signed_text) const
{
    if (seal.empty()) {
        return config_.require_seal ? "its record has no seal, and require_seal is set" : "";
    }
    if (config_.seal_keys.empty()) {
        return {};
    }
    const auto sealed = check_seal(config_.seal_keys, config_.name_space, signed_text, seal);
    return sealed ? std::string() : "the seal of its record is bad: " + sealed.error().message;
}

} // namespace proxymap
