// MUST never make a miss where proxies take misses for proven: memcached forgets the old value when
// it has no room for the new one of a `set`. MUST never write a marker on a server that is not the
// one that took what stands before it: all goes over one connection, and only the very marker that
// was seen last is replaced, by its cas.
#include "mirror_writer.h"

#include "../core/journal.h"
#include "../core/key.h"
#include "../core/stored_value.h"
#include "fault_point.h"
#include "memcached_pipe.h"
#include "try_addresses.h"

#include <chrono>
#include <thread>
#include <utility>
#include <vector>

namespace proxymap {

namespace {

constexpr std::uint32_t timeout_msecs = 5000;
// flush_all works by whole seconds.
constexpr std::chrono::milliseconds pause_after_flush{50};
constexpr int pauses_after_flush = 60;

class Writer final : public Mirror_writer {
  public:
    Writer(std::string mirror, const std::string &name_space, const Seal_keys &seal_keys,
           std::unique_ptr<Memcached_pipe> pipe)
        : mirror_(std::move(mirror)), name_space_(name_space), seal_keys_(seal_keys),
          marker_key_(marker_key(name_space)), pipe_(std::move(pipe))
    {
        prefix_ = marker_key_.substr(0, marker_key_.rfind(':') + 1);
    }

    Result<std::optional<Marker>> read_marker() override;
    Result<Done> write_marker(const Marker &marker) override;
    Result<Done> put(std::string_view key, std::string_view text) override;
    Result<Done> put_versions(const Table_change &change, const Position &before,
                              const Position &now) override;
    Result<Done> remove(std::string_view key, std::string_view name, const Position &now) override;
    Result<Done> put_entry(const Position &position, std::string_view text) override;
    Result<Done> acknowledge() override { return named(pipe_->flush()); }
    Result<bool> is_empty() override;
    Result<Done> make_empty() override;

  private:
    Result<Done> store(const std::string &key, const std::string &value);
    Result<std::string> mirror_key(std::string_view key, std::string_view name) const;
    Result<Done> append_line(std::string_view text, std::string &value) const;
    Result<Done> named(Result<Done> done) const;
    Error fail(std::string_view what, const std::string &why) const;

    const std::string mirror_;
    const std::string name_space_;
    const Seal_keys seal_keys_;
    const std::string marker_key_;
    std::string prefix_; // of every key
    std::unique_ptr<Memcached_pipe> pipe_;
    std::optional<Memcached_item> marker_; // the item that was seen last
    bool proves_misses_ = false;           // by that marker
    std::string key_;                      // put()'s, made once for all of them
    std::string value_;
};

Result<std::optional<Marker>> Writer::read_marker()
{
    auto item = pipe_->get(marker_key_);
    if (!item) {
        return fail(marker_key_, item.error().message);
    }
    marker_ = std::move(*item);
    proves_misses_ = false;
    if (!marker_) {
        return std::optional<Marker>();
    }
    const auto marker = parse_marker(marker_->value);
    if (!marker || !marker->position.known()) {
        return fail(marker_key_, "it is not a marker that this version knows: empty the mirror "
                                 "first (flush_all)");
    }
    proves_misses_ = marker->complete();
    return marker;
}

Result<Done> Writer::write_marker(const Marker &marker)
{
    if (auto done = acknowledge(); !done) {
        return done;
    }
    const auto text = format_marker(marker);
    auto done =
        marker_ ? pipe_->replace(marker_key_, text, marker_->cas) : pipe_->add(marker_key_, text);
    if (!done) {
        return fail(marker_key_, done.error().message);
    }
    auto item = pipe_->get(marker_key_);
    if (!item) {
        return fail(marker_key_, item.error().message);
    }
    if (!*item) {
        return fail(marker_key_, "it is gone: the mirror was flushed, or it evicts");
    }
    if ((*item)->value != text) {
        return fail(marker_key_, "somebody else writes to this mirror");
    }
    marker_ = std::move(*item);
    proves_misses_ = marker.complete();
    return Done{};
}

// While misses are proven there, no write that fails may make one.
Result<Done> Writer::store(const std::string &key, const std::string &value)
{
    return proves_misses_ ? pipe_->overwrite(key, value) : pipe_->set(key, value);
}

Result<Done> Writer::put(std::string_view key, std::string_view text)
{
    value_.clear();
    if (auto done = append_line(text, value_); !done) {
        return fail(key, done.error().message);
    }
    if (prefix_.size() + key.size() > max_key_bytes) {
        const auto its_key = mirror_key(key, stored_name(text));
        return its_key ? named(store(*its_key, value_)) : its_key.error();
    }
    key_.assign(prefix_).append(key);
    return named(store(key_, value_));
}

Result<Done> Writer::put_versions(const Table_change &change, const Position &before,
                                  const Position &now)
{
    const auto name = stored_name(change.before.empty() ? change.after : change.before);
    const auto line = [&](std::string_view text, const Position &position) {
        return text.empty() ? make_tombstone(name, position) : std::string(text);
    };
    std::string value;
    auto done = append_line(line(change.before, before), value);
    if (done) {
        value += '\n';
        done = append_line(line(change.after, now), value);
    }
    if (!done) {
        return fail(change.key, done.error().message);
    }
    const auto its_key = mirror_key(change.key, name);
    if (!its_key) {
        return its_key.error();
    }
    return named(store(*its_key, value));
}

Result<Done> Writer::remove(std::string_view key, std::string_view name, const Position &now)
{
    const auto its_key = mirror_key(key, name);
    if (!its_key) {
        return its_key.error();
    }
    if (seal_keys_.empty()) {
        return named(pipe_->remove(*its_key));
    }
    std::string value;
    if (auto done = append_line(make_tombstone(name, now), value); !done) {
        return fail(key, done.error().message);
    }
    return named(store(*its_key, value));
}

Result<Done> Writer::put_entry(const Position &position, std::string_view text)
{
    const auto values = split_journal_entry(position, text);
    for (std::size_t i = values.size(); i-- > 0;) { // the first one says that the others are there
        auto done = pipe_->set(journal_key(name_space_, position.sequence, i + 1), values[i]);
        if (done && i + 1 == values.size() && fault_wanted("journal-middle")) {
            done = pipe_->flush();
            fault_point("journal-middle");
        }
        if (!done) {
            return named(done);
        }
    }
    if (position.sequence < mirror_journal_entries) {
        return Done{};
    }
    const auto old = position.sequence - mirror_journal_entries;
    for (std::size_t part = 1; part <= max_journal_parts; part++) {
        if (auto done = pipe_->remove(journal_key(name_space_, old, part)); !done) {
            return named(done);
        }
    }
    return Done{};
}

Result<bool> Writer::is_empty()
{
    const auto count = pipe_->item_count();
    return count ? Result<bool>(*count == 0) : fail("stats", count.error().message);
}

Result<Done> Writer::make_empty()
{
    if (auto done = pipe_->flush_all(); !done) {
        return named(done);
    }
    // Whatever can be written now stays.
    const auto probe_key = prefix_ + "probe";
    for (int i = 0; i < pauses_after_flush; i++) {
        auto done = pipe_->set(probe_key, "1");
        if (done) {
            done = pipe_->flush();
        }
        if (!done) {
            return named(done);
        }
        const auto item = pipe_->get(probe_key);
        if (!item) {
            return fail(probe_key, item.error().message);
        }
        if (*item) {
            marker_.reset();
            proves_misses_ = false;
            done = pipe_->remove(probe_key);
            return named(done ? pipe_->flush() : done);
        }
        std::this_thread::sleep_for(pause_after_flush);
    }
    return fail("flush_all", "it keeps nothing that is written to it");
}

// The key of the table with the namespace before it, unless that makes it too long.
Result<std::string> Writer::mirror_key(std::string_view key, std::string_view name) const
{
    if (prefix_.size() + key.size() <= max_key_bytes) {
        return std::string(prefix_).append(key);
    }
    const auto record = parse_record_name(name);
    if (!record) {
        return fail(key, "its record is not understood: " + record.error().message);
    }
    return encode_key(name_space_, record->kind, record->name);
}

Result<Done> Writer::append_line(std::string_view text, std::string &value) const
{
    value += text;
    if (seal_keys_.empty()) {
        return Done{};
    }
    const auto seal = make_seal(seal_keys_, name_space_, text);
    if (seal.empty()) {
        return Error{"its record cannot be sealed: the current seal key is absent or too short"};
    }
    value += " seal=";
    value += seal;
    return Done{};
}

Result<Done> Writer::named(Result<Done> done) const
{
    return done ? std::move(done) : Error{mirror_ + ": " + done.error().message};
}

Error Writer::fail(std::string_view what, const std::string &why) const
{
    return Error{mirror_ + ": " + std::string(what) + ": " + why};
}

} // namespace

Result<std::unique_ptr<Mirror_writer>> Mirror_writer::connect(const Store_address &address,
                                                              const std::string &name_space,
                                                              const Seal_keys &seal_keys)
{
    auto pipe = try_addresses(address, timeout_msecs, [&address](const std::string &host) {
        return Memcached_pipe::open({host, address.port, address.path}, timeout_msecs);
    });
    if (!pipe) {
        return Error{address.text() + ": " + pipe.error().message};
    }
    return std::unique_ptr<Mirror_writer>(
        std::make_unique<Writer>(address.text(), name_space, seal_keys, std::move(*pipe)));
}

} // namespace proxymap
