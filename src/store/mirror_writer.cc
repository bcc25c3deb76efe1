// Writes a mirror in batches: the sets of a batch go out one after the other without waiting
// (`noreply`), then one multi-get on the same connection reads them back. What comes back byte for
// byte is its own acknowledgement, and a batch costs one round trip instead of one a record.
//
// MUST never write a complete marker on a server that is not the one that took the records: while
// a mirror is loaded its marker says `loading`, and only that very item, by its cas, is replaced. A
// server that was restarted or flushed meanwhile no longer has it.
#include "mirror_writer.h"

#include "../core/key.h"
#include "host_addresses.h"
#include "memcached_connection.h"

#include <optional>
#include <set>
#include <utility>
#include <vector>

namespace proxymap {

namespace {

constexpr std::uint32_t timeout_msecs = 5000;
constexpr std::size_t batch_records = 200;

Result<std::unique_ptr<Memcached_connection>> connect_to(const Store_address &address,
                                                         Memcached_connection::Use use)
{
    std::vector<std::string> hosts = {std::string()};
    if (address.path.empty()) {
        auto known = Host_addresses(address.host).get(timeout_msecs);
        if (!known) {
            return known.error();
        }
        hosts = std::move(*known);
    }
    Error error;
    for (const auto &host : hosts) {
        auto connection =
            Memcached_connection::open({host, address.port, address.path}, timeout_msecs, use);
        if (connection) {
            return connection;
        }
        error = connection.error();
    }
    return error;
}

class Writer final : public Mirror_writer {
  public:
    Writer(const Store_address &address, std::string name_space, Seal_keys seal_keys,
           std::unique_ptr<Memcached_connection> connection)
        : address_(address), name_space_(std::move(name_space)), seal_keys_(std::move(seal_keys)),
          marker_key_(marker_key(name_space_)), connection_(std::move(connection))
    {
    }

    Result<Done> begin(const Position &position) override;
    Result<Done> put(const Record &record) override;
    Result<Done> remove(Kind kind, const std::string &name) override;
    Result<Done> finish(const Position &position) override;

  private:
    struct Change {
        std::string key;
        std::optional<std::string> value; // nothing: removed
    };

    Result<Done> add(Change change);
    Result<Done> flush();
    Result<Done> write(const std::vector<Change> &changes);
    Result<Memcached_item> read_marker();
    std::string reason(const Change &change, const std::string &otherwise) const;
    Error fail(const std::string &key, const std::string &why) const;

    const Store_address address_;
    const std::string name_space_;
    const Seal_keys seal_keys_;
    const std::string marker_key_;
    std::unique_ptr<Memcached_connection> connection_;
    std::vector<Change> batch_;
    std::set<std::string> batch_keys_;      // each key once in a batch
    std::optional<Memcached_item> loading_; // the marker that begin() wrote
};

Result<Done> Writer::begin(const Position &position)
{
    const auto text = format_marker({position, false});
    if (auto done = write({{marker_key_, text}}); !done) {
        return done;
    }
    auto marker = read_marker();
    if (!marker) {
        return marker.error();
    }
    if (marker->value != text) {
        return fail(marker_key_, "somebody else writes to this mirror");
    }
    loading_ = std::move(*marker);
    return Done{};
}

Result<Done> Writer::put(const Record &record)
{
    const auto key = encode_key(name_space_, record.kind, record.name);
    if (!record.position.known()) {
        return fail(key, "its record has no position");
    }
    auto value = format_stored_record(record);
    if (!seal_keys_.empty()) {
        const auto seal = make_seal(seal_keys_, name_space_, value);
        if (seal.empty()) {
            return fail(key, "its record cannot be sealed: the current seal key is absent or too "
                             "short");
        }
        value += " seal=" + seal;
    }
    return add({key, std::move(value)});
}

Result<Done> Writer::remove(Kind kind, const std::string &name)
{
    return add({encode_key(name_space_, kind, name), std::nullopt});
}

Result<Done> Writer::finish(const Position &position)
{
    if (auto done = flush(); !done) {
        return done;
    }
    const auto marker = read_marker();
    if (!marker) {
        return marker.error();
    }
    if (!loading_ || marker->value != loading_->value || marker->cas != loading_->cas) {
        return fail(marker_key_, "it is not the marker that this load began with: the mirror was "
                                 "restarted or flushed, or somebody else writes to it");
    }
    const auto done =
        connection_->replace(marker_key_, format_marker({position, true}), marker->cas);
    if (!done) {
        return fail(marker_key_, done.error().message);
    }
    loading_.reset();
    return Done{};
}

Result<Done> Writer::add(Change change)
{
    if (batch_.size() >= batch_records || batch_keys_.contains(change.key)) {
        if (auto done = flush(); !done) {
            return done;
        }
    }
    batch_keys_.insert(change.key);
    batch_.push_back(std::move(change));
    return Done{};
}

Result<Done> Writer::flush()
{
    const auto changes = std::exchange(batch_, {});
    batch_keys_.clear();
    return changes.empty() ? Result<Done>(Done{}) : write(changes);
}

Result<Done> Writer::write(const std::vector<Change> &changes)
{
    std::vector<std::string> keys;
    keys.reserve(changes.size());
    for (const auto &change : changes) {
        const auto done = change.value ? connection_->set(change.key, *change.value)
                                       : connection_->remove(change.key);
        if (!done) {
            return fail(change.key, reason(change, done.error().message));
        }
        keys.push_back(change.key);
    }
    const auto items = connection_->get(keys);
    if (!items) {
        return fail(changes.front().key, reason(changes.front(), items.error().message));
    }
    for (std::size_t i = 0; i < changes.size(); i++) {
        const auto &change = changes[i];
        const auto &item = (*items)[i];
        if (item.has_value() != change.value.has_value() ||
            (item && item->value != *change.value)) {
            return fail(change.key, reason(change, "it did not take what was written"));
        }
    }
    return Done{};
}

Result<Memcached_item> Writer::read_marker()
{
    auto items = connection_->get({marker_key_});
    if (!items) {
        return fail(marker_key_, items.error().message);
    }
    if (!items->front()) {
        return fail(marker_key_, "the mirror lost its marker: it was restarted, or it evicts");
    }
    return std::move(*items->front());
}

// Writes the change once more on a connection of its own, where the server's refusal can be read.
std::string Writer::reason(const Change &change, const std::string &otherwise) const
{
    const auto connection = connect_to(address_, Memcached_connection::Use::reader);
    if (!connection) {
        return connection.error().message;
    }
    const auto done = change.value ? (*connection)->set(change.key, *change.value)
                                   : (*connection)->remove(change.key);
    return done ? otherwise : done.error().message;
}

Error Writer::fail(const std::string &key, const std::string &why) const
{
    return Error{address_.text() + ": " + key + ": " + why};
}

} // namespace

Result<std::unique_ptr<Mirror_writer>> Mirror_writer::connect(const Store_address &address,
                                                              const std::string &name_space,
                                                              const Seal_keys &seal_keys)
{
    auto connection = connect_to(address, Memcached_connection::Use::writer);
    if (!connection) {
        return Error{address.text() + ": " + connection.error().message};
    }
    return std::unique_ptr<Mirror_writer>(
        std::make_unique<Writer>(address, name_space, seal_keys, std::move(*connection)));
}

} // namespace proxymap
