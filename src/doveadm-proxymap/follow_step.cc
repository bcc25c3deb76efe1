// See follow_step.h.
#include "follow_step.h"

#include "mirror_journal.h"

#include "core/journal.h"
#include "core/key.h"
#include "core/stored_value.h"

#include <algorithm>
#include <set>

namespace proxymap {

namespace {

constexpr std::size_t batch_keys = 200;
// A mirror that has moved on each time that many looks were taken is left for the next poll.
constexpr int max_rounds = 20;

std::string label_of(const Key &key)
{
    return std::string(to_string(key.kind)) + " " + key.name;
}

} // namespace

// What changed while records were read is in the mirror's journal, and is read again: so all of it
// is of the position at which the mirror stood still.
Result<bool> Follow_step::take()
{
    for (int round = 0; round < max_rounds; round++) {
        const auto marker = mirror_.marker();
        if (!marker)
            return marker.error();
        if (!*marker || !(*marker)->complete() || (*marker)->position.table != at_.table ||
            (*marker)->position.epoch != at_.epoch || (*marker)->position.older_than(at_))
            return Error{mirror_.name() + ": it has lost the map meanwhile"};
        const Position &now = (*marker)->position;
        if (now == at_)
            return true;
        std::vector<Key> keys;
        auto led = read_entries(now, &keys);
        if (!led || !*led)
            return led;
        if (auto read = read_records(keys); !read)
            return read.error();
        records_ += keys.size();
        at_ = now;
    }
    return Error{mirror_.name() + ": it changes faster than it can be followed"};
}

Result<bool> Follow_step::read_entries(const Position &to, std::vector<Key> *keys_r)
{
    std::set<Key> keys;
    for (Position at = at_; at != to;) {
        at.sequence++;
        const auto text = read_mirror_entry(mirror_, configuration_.settings.name_space, at);
        if (!text)
            return text.error();
        if (!*text)
            return false;
        auto entry = parse_journal_text(**text);
        if (!entry)
            return Error{mirror_.name() + ": " + format_position(at) + ": " +
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

// Between two markers that are equal, each batch by itself: take() sees whether they all are.
Result<Done> Follow_step::read_records(const std::vector<Key> &keys)
{
    const std::string &name_space = configuration_.settings.name_space;
    for (std::size_t start = 0; start < keys.size(); start += batch_keys) {
        const std::size_t end = std::min(start + batch_keys, keys.size());
        std::vector<std::string> wanted = {marker_key(name_space)};
        for (std::size_t i = start; i < end; i++)
            wanted.push_back(encode_key(name_space, keys[i].kind, keys[i].name));
        wanted.push_back(marker_key(name_space));
        const auto items = mirror_.get(wanted);
        if (!items)
            return items.error();
        const auto &before = items->front();
        const auto &after = items->back();
        const auto marker = before && after && before->value == after->value
                                ? parse_marker(before->value)
                                : std::nullopt;
        if (!marker || !marker->complete() || marker->position.table != at_.table)
            return Error{mirror_.name() + ": its marker changed while it was read"};
        for (std::size_t i = start; i < end; i++) {
            const auto &item = (*items)[i - start + 1];
            if (auto taken = put(keys[i], item ? &item->value : nullptr, marker->position); !taken)
                return Error{mirror_.name() + ": " + label_of(keys[i]) + ": " +
                             taken.error().message};
        }
    }
    return Done{};
}

// value: null where the mirror has none.
Result<Done> Follow_step::put(const Key &key, const std::string *value, const Position &marker)
{
    const Settings &settings = configuration_.settings;
    if (value == nullptr) {
        if (!mirror_.keeps_everything())
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
Result<Done> Follow_step::check_seal_of(std::string_view seal, std::string_view signed_text) const
{
    const Settings &settings = configuration_.settings;
    if (seal.empty() && settings.require_seal)
        return Error{"it has no seal, and require_seal is set"};
    if (seal.empty() || configuration_.seal_keys.empty())
        return Done{};
    return check_seal(configuration_.seal_keys, settings.name_space, signed_text, seal);
}

} // namespace proxymap
