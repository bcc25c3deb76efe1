// See following.h.
#include "following.h"

#include "mirror_journal.h"
#include "table_lock.h"

#include "core/key.h"
#include "core/stored_value.h"

#include <algorithm>
#include <set>
#include <utility>

namespace proxymap {

namespace {

constexpr std::size_t batch_keys = 200;
// A mirror that has moved on each time that many looks were taken is left for the next poll.
constexpr int max_rounds = 20;

constexpr std::string_view export_needed =
    ": make a fresh export on the table's host and hand it to `doveadm proxymap follow --init`";

std::string label_of(const Key &key)
{
    return std::string(to_string(key.kind)) + " " + key.name;
}

} // namespace

Following::Following(const Configuration &configuration, Replica &replica, std::string folder)
    : configuration_(configuration), replica_(replica), folder_(std::move(folder))
{
    for (const Store_address &address : configuration.settings.stores) {
        if (address.type == Store_address::Type::memcached)
            mirrors_.push_back({address, nullptr, {}});
    }
}

Result<Done> Following::connect(Mirror &mirror) const
{
    if (mirror.reading && !mirror.reading->broken())
        return Done{};
    auto reading = Mirror_reading::connect(mirror.address, configuration_.settings.name_space);
    if (!reading)
        return reading.error();
    mirror.reading = std::move(*reading);
    return Done{};
}

// A connection that the server has closed since the last poll gets a second chance.
Result<Done> Following::look(Mirror &mirror)
{
    mirror.marker.reset();
    const bool used_before = mirror.reading != nullptr;
    for (bool again = used_before;; again = false) {
        if (auto connected = connect(mirror); !connected)
            return connected;
        auto marker = mirror.reading->marker();
        if (marker) {
            mirror.marker = *marker;
            return Done{};
        }
        if (!mirror.reading->broken() || !again)
            return marker.error();
    }
}

Follow_report Following::poll()
{
    Follow_report report;
    const auto state = replica_.state();
    if (!state) {
        report.why = state.error().message;
        return report;
    }
    report.position = state->position;
    if (!state->position.known()) {
        report.state = Follow_state::needs_export;
        report.why = folder_ + ": there is no replica on this host" + std::string(export_needed);
        return report;
    }
    if (!state->follows) {
        report.state = Follow_state::own_table;
        report.why = folder_ + ": this host's table is its own, and follows nobody";
        return report;
    }

    std::optional<Position> newest;
    std::string foreign;
    for (Mirror &mirror : mirrors_) {
        if (auto looked = look(mirror); !looked) {
            report.why += (report.why.empty() ? "" : "; ") + looked.error().message;
            continue;
        }
        const auto &marker = mirror.marker;
        if (!marker || !marker->complete()) {
            report.why += (report.why.empty() ? "" : "; ") + mirror.address.text() +
                          (marker ? ": it is being filled" : ": it has no marker");
        } else if (marker->position.table != state->position.table) {
            foreign = mirror.address.text() + ": holds another table (position " +
                      format_position(marker->position) + ", this replica is at " +
                      format_position(state->position) + ")";
        } else if (!newest || newest->older_than(marker->position)) {
            newest = marker->position;
        }
    }
    if (!newest && !foreign.empty()) {
        report.state = Follow_state::needs_export;
        report.why = foreign + std::string(export_needed);
    } else if (!newest) {
        if (report.why.empty())
            report.why = "the setting stores names no mirror";
    } else if (*newest == state->position) {
        report.state = Follow_state::current;
        report.why.clear();
    } else if (newest->older_than(state->position)) {
        report.why = "the mirrors are behind this replica: the newest is at position " +
                     format_position(*newest) + ", this replica at " +
                     format_position(state->position);
    } else {
        return step(state->position, *newest);
    }
    return report;
}

// Each mirror at the newest position is tried: one may know what another has forgotten.
Follow_report Following::step(const Position &from, const Position &to)
{
    Follow_report report;
    report.position = from;
    if (from.epoch != to.epoch) {
        report.state = Follow_state::needs_export;
        report.why = "the table has another host since position " + format_position(from) +
                     " (the map is at " + format_position(to) + ")" + std::string(export_needed);
        return report;
    }
    const auto lock = Table_lock::take(folder_);
    if (!lock) {
        report.why = lock.error().message;
        return report;
    }
    bool gap = false;
    for (Mirror &mirror : mirrors_) {
        if (!mirror.marker || !mirror.marker->complete() || mirror.marker->position != to)
            continue;
        Step step{from, 0};
        auto done = replica_.begin();
        const auto state = done ? replica_.state() : Result<Replica::State>(done.error());
        if (!state || !state->follows || state->position != from) {
            replica_.abort();
            report.why = state ? folder_ + ": it was changed meanwhile" : state.error().message;
            return report;
        }
        const auto led = follow(mirror, step);
        if (led && *led)
            done = replica_.commit(step.at);
        else
            replica_.abort();
        if (led && *led && done) {
            report.state = Follow_state::current;
            report.position = step.at;
            report.records = step.records;
            report.why.clear();
            return report;
        }
        gap = gap || (led && !*led);
        const std::string why = !led    ? led.error().message
                                : !*led ? std::string()
                                        : done.error().message;
        if (!why.empty())
            report.why += (report.why.empty() ? "" : "; ") + why;
    }
    if (gap && report.why.empty()) {
        report.state = Follow_state::needs_export;
        report.why = "the journal does not say what changed between position " +
                     format_position(from) + " and " + format_position(to) +
                     std::string(export_needed);
    }
    return report;
}

// Until the mirror stands still: what changed while records were read is in its journal, and is
// read again. False: the journal does not lead there.
Result<bool> Following::follow(Mirror &mirror, Step &step)
{
    for (int round = 0; round < max_rounds; round++) {
        const auto marker = mirror.reading->marker();
        if (!marker)
            return marker.error();
        if (!*marker || !(*marker)->complete() || (*marker)->position.table != step.at.table ||
            (*marker)->position.epoch != step.at.epoch)
            return Error{mirror.address.text() + ": it has lost the map meanwhile"};
        const Position &now = (*marker)->position;
        if (now == step.at)
            return true;
        std::vector<Key> keys;
        const auto led = read_entries(mirror, step.at, now, &keys);
        if (!led || !*led)
            return led;
        if (auto read = read_records(mirror, keys, step.at); !read)
            return read.error();
        step.records += keys.size();
        step.at = now;
    }
    return Error{mirror.address.text() + ": it changes faster than it can be followed"};
}

Result<bool> Following::read_entries(Mirror &mirror, const Position &from, const Position &to,
                                     std::vector<Key> *keys_r)
{
    std::set<Key> keys;
    for (Position at = from; at != to;) {
        at.sequence++;
        const auto text =
            read_mirror_entry(*mirror.reading, configuration_.settings.name_space, at);
        if (!text)
            return text.error();
        if (!*text)
            return false;
        auto entry = parse_journal_text(**text);
        if (!entry)
            return Error{mirror.address.text() + ": " + format_position(at) + ": " +
                         entry.error().message};
        if (entry->reset)
            return false;
        keys.insert(entry->keys.begin(), entry->keys.end());
        if (auto done = replica_.log(at, **text); !done)
            return done.error();
    }
    keys_r->assign(keys.begin(), keys.end());
    return true;
}

// Between two markers that are equal, each batch by itself: follow() sees whether they all are.
Result<Done> Following::read_records(Mirror &mirror, const std::vector<Key> &keys,
                                     const Position &table)
{
    const std::string &name_space = configuration_.settings.name_space;
    for (std::size_t start = 0; start < keys.size(); start += batch_keys) {
        const std::size_t end = std::min(start + batch_keys, keys.size());
        std::vector<std::string> wanted = {marker_key(name_space)};
        for (std::size_t i = start; i < end; i++)
            wanted.push_back(encode_key(name_space, keys[i].kind, keys[i].name));
        wanted.push_back(marker_key(name_space));
        const auto items = mirror.reading->get(wanted);
        if (!items)
            return items.error();
        const auto &before = items->front();
        const auto &after = items->back();
        const auto marker = before && after && before->value == after->value
                                ? parse_marker(before->value)
                                : std::nullopt;
        if (!marker || !marker->complete() || marker->position.table != table.table)
            return Error{mirror.address.text() + ": its marker changed while it was read"};
        for (std::size_t i = start; i < end; i++) {
            const auto &item = (*items)[i - start + 1];
            if (auto taken = take(keys[i], item ? &item->value : nullptr, marker->position, mirror);
                !taken)
                return Error{mirror.address.text() + ": " + label_of(keys[i]) + ": " +
                             taken.error().message};
        }
    }
    return Done{};
}

// value: null where the mirror has none.
Result<Done> Following::take(const Key &key, const std::string *value, const Position &marker,
                             const Mirror &mirror)
{
    const Settings &settings = configuration_.settings;
    if (value == nullptr) {
        if (!mirror.reading->keeps_everything())
            return Error{"it is not there, which proves nothing: the server evicts records when it "
                         "is full (memcached runs without -M)"};
        if (settings.require_seal)
            return Error{"it is not there, and no seal can prove absence (require_seal is set)"};
        return replica_.remove(key.kind, key.name);
    }
    auto stored = parse_stored_value(*value, key.kind, key.name, settings.key_case);
    if (!stored)
        return stored.error();
    for (const Stored_version *version :
         {&stored->first, stored->second ? &*stored->second : nullptr}) {
        if (version == nullptr)
            break;
        if (auto good = check_seal_of(version->seal, version->signed_text); !good)
            return good;
    }
    const auto version = choose_version(*stored, &marker);
    if (!version)
        return version.error();
    if ((*version)->record.position.table != marker.table)
        return Error{"it is a record of another table"};
    return (*version)->deleted ? replica_.remove(key.kind, key.name)
                               : replica_.put(key.kind, key.name, (*version)->signed_text);
}

// As a proxy judges it.
Result<Done> Following::check_seal_of(std::string_view seal, std::string_view signed_text) const
{
    const Settings &settings = configuration_.settings;
    if (seal.empty() && settings.require_seal)
        return Error{"it has no seal, and require_seal is set"};
    if (seal.empty() || configuration_.seal_keys.empty())
        return Done{};
    return check_seal(configuration_.seal_keys, settings.name_space, signed_text, seal);
}

} // namespace proxymap
