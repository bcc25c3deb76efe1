#include "mirror_check.h"

#include "memcached_text.h"
#include "mirror_state.h"

#include "core/key.h"
#include "core/stored_value.h"
#include "store/lmdb_layout.h"

#include <algorithm>
#include <utility>

namespace proxymap {

namespace {

constexpr std::size_t max_first = 20;
constexpr std::size_t batch_keys = 200;

std::string text_of(const Key &key)
{
    return std::string(to_string(key.kind)) + " " + key.name;
}

bool is_good_seal(const Stored_version &version, const Configuration &configuration)
{
    return configuration.seal_keys.empty() ||
           check_seal(configuration.seal_keys, configuration.settings.name_space,
                      version.signed_text, version.seal)
               .ok();
}

// Whose record or tombstone the value is, by its own words. Nothing: it is neither.
std::optional<Key> owner_of(std::string_view value, Key_case key_case)
{
    const std::string_view line = value.substr(0, value.find('\n'));
    const auto stored = parse_stored_record(line, key_case);
    const std::size_t deleted = line.find(" deleted pos=");
    const auto named = stored || deleted == std::string_view::npos
                           ? Result<Record>(Error{})
                           : parse_record_name(line.substr(0, deleted));
    if (!stored && !named)
        return std::nullopt;
    const Record &record = stored ? stored->record : *named;
    return Key{record.kind, record.name};
}

// Of a key of a mirror's, behind the namespace. Nothing: it is no record's, or its name is hashed.
std::optional<Key> decode_key(std::string_view key)
{
    const std::size_t colon = key.find(':');
    const std::optional<Kind> kind = parse_kind(key.substr(0, colon));
    if (!kind || colon == std::string_view::npos)
        return std::nullopt;
    // The same %XX as in a metadump.
    const std::optional<std::string> name =
        parse_dumped_key("key=" + std::string(key.substr(colon + 1)));
    if (!name || key[colon + 1] == '#')
        return std::nullopt;
    return Key{*kind, *name};
}

} // namespace

std::string_view to_string(Finding finding)
{
    switch (finding) {
    case Finding::missing:
        return "missing";
    case Finding::differs:
        return "differs";
    case Finding::badly_sealed:
        return "badly sealed";
    case Finding::unreadable:
        return "unreadable";
    case Finding::excess:
        break;
    }
    return "excess";
}

std::optional<Finding> compare_value(const std::string *value, const Key &key,
                                     std::string_view text, const std::optional<Marker> &marker,
                                     const Configuration &configuration)
{
    if (value == nullptr)
        return Finding::missing;
    if (*value == text && configuration.seal_keys.empty())
        return std::nullopt;
    Result<Stored_value> stored =
        parse_stored_value(*value, key.kind, key.name, configuration.settings.key_case);
    if (!stored)
        return Finding::unreadable;
    const Result<Stored_version *> version =
        choose_version(*stored, marker ? &marker->position : nullptr);
    if (!version)
        return Finding::unreadable;
    if (!is_good_seal(**version, configuration))
        return Finding::badly_sealed;
    if ((*version)->deleted)
        return Finding::missing;
    return (*version)->signed_text == text ? std::nullopt : std::optional(Finding::differs);
}

Mirror_check::Mirror_check(const Configuration &configuration, const Store_address &address,
                           const Position &table)
    : configuration_(configuration), address_(address), name_(address.text()), table_(table)
{
}

bool Mirror_check::keep(const Result<Done> &done)
{
    if (!done && !error_)
        error_ = done.error();
    return done.ok();
}

bool Mirror_check::differs() const
{
    return std::any_of(found_.begin(), found_.end(),
                       [](const Found &found) { return found.count > 0; });
}

void Mirror_check::add(Finding finding, const Key &key)
{
    Found &found = found_[static_cast<std::size_t>(finding)];
    ++found.count;
    if (found.first.size() < max_first)
        found.first.push_back(text_of(key));
}

void Mirror_check::begin(bool repair)
{
    auto reading = Mirror_reading::connect(address_, configuration_.settings.name_space);
    if (!reading) {
        error_ = reading.error();
        return;
    }
    reading_ = std::move(*reading);
    const Result<std::optional<Marker>> marker = reading_->marker();
    if (!marker) {
        error_ = marker.error();
        return;
    }
    marker_ = *marker;
    // What is not at the table's position is not to be written to.
    if (!repair || mirror_state(marker_, table_) != "current")
        return;
    auto writer = Mirror_writer::connect(address_, configuration_.settings.name_space,
                                         configuration_.seal_keys);
    if (writer)
        writer_ = std::move(*writer);
    else
        error_ = writer.error();
}

void Mirror_check::check(const std::vector<Table_text> &records)
{
    if (error_ || records.empty())
        return;
    std::vector<std::string> keys;
    keys.reserve(records.size());
    for (const Table_text &record : records)
        keys.push_back(
            encode_key(configuration_.settings.name_space, record.key.kind, record.key.name));
    const Result<Memcached_connection::Items> items = reading_->get(keys);
    if (!items) {
        error_ = items.error();
        return;
    }
    for (std::size_t i = 0; i < records.size(); ++i) {
        const Table_text &record = records[i];
        const auto &item = (*items)[i];
        const std::optional<Finding> finding = compare_value(
            item ? &item->value : nullptr, record.key, record.text, marker_, configuration_);
        ++checked_;
        if (!finding)
            continue;
        add(*finding, record.key);
        if (writer_ && !keep(writer_->put(lmdb_key(record.key.kind, record.key.name), record.text)))
            return;
    }
}

void Mirror_check::check_excess(const std::function<Result<bool>(const Key &)> &in_table)
{
    if (error_)
        return;
    // Any kind and name shows how the namespace is written in keys.
    const std::string sample = encode_key(configuration_.settings.name_space, Kind::user, "x");
    const std::string prefix = sample.substr(0, sample.size() - lmdb_key(Kind::user, "x").size());
    const auto server = Memcached_text::connect(address_);
    if (!server) {
        error_ = Error{name_ + ": " + server.error().message};
        return;
    }
    std::vector<std::string> unknown; // not in the table under their decoded name
    const Result<Done> listed = (*server)->for_each_key([&](std::string &&key) {
        if (error_ || !key.starts_with(prefix))
            return;
        const std::string_view rest = std::string_view(key).substr(prefix.size());
        if (!parse_kind(rest.substr(0, rest.find(':'))) || key.size() > max_key_bytes)
            return; // marker, journal
        if (const std::optional<Key> named = decode_key(rest)) {
            const Result<bool> known = in_table(*named);
            if (!known)
                error_ = known.error();
            if (!known || *known)
                return;
        }
        unknown.push_back(std::move(key));
        if (unknown.size() == batch_keys)
            check_values(unknown, in_table);
    });
    if (!listed)
        no_excess_ = listed.error().message;
    else
        check_values(unknown, in_table);
}

// A tombstone is no excess; nor is what went meanwhile.
void Mirror_check::check_values(std::vector<std::string> &keys,
                                const std::function<Result<bool>(const Key &)> &in_table)
{
    const std::vector<std::string> wanted = std::exchange(keys, {});
    if (error_ || wanted.empty())
        return;
    const Result<Memcached_connection::Items> items = reading_->get(wanted);
    if (!items) {
        error_ = items.error();
        return;
    }
    const Settings &settings = configuration_.settings;
    for (std::size_t i = 0; i < wanted.size(); ++i) {
        const auto &item = (*items)[i];
        if (!item)
            continue;
        std::optional<Key> owner = owner_of(item->value, settings.key_case);
        const bool is_owner =
            owner && encode_key(settings.name_space, owner->kind, owner->name) == wanted[i];
        if (is_owner) {
            const Result<bool> known = in_table(*owner);
            if (!known) {
                error_ = known.error();
                return;
            }
            Result<Stored_value> stored =
                parse_stored_value(item->value, owner->kind, owner->name, settings.key_case);
            const Result<Stored_version *> version =
                stored ? choose_version(*stored, marker_ ? &marker_->position : nullptr)
                       : Result<Stored_version *>(Error{});
            if (*known ||
                (version && (*version)->deleted && is_good_seal(**version, configuration_)))
                continue;
        } else {
            owner = decode_key(std::string_view(wanted[i]).substr(wanted[i].find(':') + 1));
        }
        add(Finding::excess, owner.value_or(Key{Kind::user, wanted[i]}));
        if (!writer_)
            continue;
        if (!owner) {
            error_ = Error{name_ + ": " + wanted[i] +
                           ": it is no record, and not to be removed by its name: delete this key "
                           "by hand"};
            return;
        }
        const std::string key = lmdb_key(owner->kind, owner->name);
        const std::string named = format_record({owner->kind, owner->name, {}, {}});
        if (!keep(writer_->remove(key, named, table_)))
            return;
    }
}

void Mirror_check::end()
{
    if (writer_ && !error_)
        keep(writer_->acknowledge());
}

} // namespace proxymap
