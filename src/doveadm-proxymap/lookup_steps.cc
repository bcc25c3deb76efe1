#include "lookup_steps.h"

#include "common.h"
#include "seal_state.h"

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
               found ? format_position(answer.position) : "", found ? seal_of(asked) : "",
               answer.record ? show_fields(*answer.record) : answer.why});
}

void Steps::decided(std::string_view what, Outcome outcome, std::string_view why)
{
    rows_.add({"decided", what, "", to_string(outcome), "", "", why});
}

void Steps::newest(const Position &position)
{
    if (position.known())
        rows_.add({"map", "newest position", "", "", format_position(position), "", ""});
}

void Steps::told(std::string_view name, std::string_view value)
{
    rows_.add({"told", name, "", "", "", "", value});
}

void Steps::client(std::string_view ip, bool may, std::string_view why)
{
    rows_.add({"client", ip, "", may ? "allowed" : "refused", "", "", why});
}

// LMDB has no seals.
std::string Steps::seal_of(const Asked &asked)
{
    if (asked.address.type != Store_address::Type::memcached)
        return {};
    const std::string &name_space = configuration_.settings.name_space;
    auto &reading = mirrors_[asked.address.text()];
    if (!reading) {
        auto connected = Mirror_reading::connect(asked.address, name_space);
        if (!connected)
            return "unknown";
        reading = std::move(*connected);
    }
    const auto items = reading->get({encode_key(name_space, asked.key.kind, asked.key.name)});
    if (!items || !items->front())
        return "unknown";
    return std::string(
        seal_state(items->front()->value, asked.key, asked.answer.position, configuration_));
}

} // namespace proxymap
