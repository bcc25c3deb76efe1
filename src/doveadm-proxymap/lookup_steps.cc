#include "lookup_steps.h"

#include "common.h"
#include "mirror_journal.h"
#include "seal_state.h"

#include "core/journal.h"
#include "core/key.h"

#include <utility>

namespace proxymap {

namespace {

std::string show_fields(Record record)
{
    for (Record_field &field : record.fields) {
        if (field.id == Field_id::pass || field.id == Field_id::password)
            field.value = hidden_secret;
    }
    return format_fields(record);
}

} // namespace

void Steps::asked(const Asked &asked)
{
    const Answer &answer = asked.answer;
    const bool found = answer.outcome == Outcome::found;
    rows_.add({"asked", label(asked.key), answer.store, to_string(answer.outcome),
               found ? format_position(answer.position) : "", found ? written_at(asked) : "",
               found ? seal_of(asked) : "",
               answer.record ? show_fields(*answer.record) : answer.why});
}

void Steps::decided(std::string_view what, Outcome outcome, std::string_view why)
{
    rows_.add({"decided", what, "", to_string(outcome), "", "", "", why});
}

void Steps::newest(const Position &position)
{
    if (position.known())
        rows_.add({"map", "newest position", "", "", format_position(position), "", "", ""});
}

void Steps::told(std::string_view name, std::string_view value)
{
    rows_.add({"told", name, "", "", "", "", "", value});
}

void Steps::client(std::string_view ip, bool may, std::string_view why)
{
    rows_.add({"client", ip, "", may ? "allowed" : "refused", "", "", "", why});
}

Mirror_reading *Steps::mirror(const Store_address &address)
{
    const auto [it, is_new] = mirrors_.try_emplace(address.text());
    if (is_new) {
        auto connected = Mirror_reading::connect(address, configuration_.settings.name_space);
        if (connected)
            it->second = std::move(*connected);
    }
    return it->second.get();
}

// LMDB has no seals.
std::string Steps::seal_of(const Asked &asked)
{
    if (asked.address.type != Store_address::Type::memcached)
        return {};
    Mirror_reading *const reading = mirror(asked.address);
    if (reading == nullptr)
        return "unknown";
    const std::string &name_space = configuration_.settings.name_space;
    const auto items = reading->get({encode_key(name_space, asked.key.kind, asked.key.name)});
    if (!items || !items->front())
        return "unknown";
    return std::string(
        seal_state(items->front()->value, asked.key, asked.answer.position, configuration_));
}

// The entry of the journal of the record's own position. Nothing: it was let go.
Result<std::optional<std::string>> Steps::journal_text(const Asked &asked)
{
    const Position &position = asked.answer.position;
    const Settings &settings = configuration_.settings;
    if (asked.address.type == Store_address::Type::memcached) {
        Mirror_reading *const reading = mirror(asked.address);
        return reading != nullptr ? read_mirror_entry(*reading, settings.name_space, position)
                                  : std::optional<std::string>();
    }
    if (!table_) {
        auto opened = open_table(settings, Table::Mode::read);
        if (!opened)
            return opened.error();
        table_ = std::move(*opened);
    }
    return table_->journal_text(position);
}

// Empty: nobody knows any more.
std::string Steps::written_at(const Asked &asked)
{
    const auto text = journal_text(asked);
    if (!text || !*text)
        return {};
    const auto entry = parse_journal_text(**text);
    return entry ? format_time(entry->time) : std::string();
}

} // namespace proxymap
