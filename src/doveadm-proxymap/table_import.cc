#include "table_import.h"

#include <utility>

namespace proxymap {

namespace {

constexpr std::size_t max_shown_refusals = 20;

} // namespace

void Table_import::take(Record &&record)
{
    if (error_ || !is_allowed(record))
        return;
    const Result<std::optional<Record>> old = table_.get(record.kind, record.name);
    if (!old) {
        error_ = old.error();
        return;
    }
    if (old->has_value() && (*old)->fields == record.fields) {
        ++unchanged;
        return;
    }
    if (const Result<Done> done = table_.put(record); !done) {
        error_ = done.error();
        return;
    }
    ++(old->has_value() ? changed : added);
    keys.push_back({record.kind, std::move(record.name)});
}

bool Table_import::knows_backend(const std::string &name)
{
    const Result<std::optional<Record>> backend = table_.get(Kind::backend, name);
    // A table that cannot be asked has failed; the file is not to blame for it.
    if (!backend)
        error_ = backend.error();
    return !backend || backend->has_value();
}

// The plugin would refuse it too, at each of its logins.
bool Table_import::is_allowed(const Record &record)
{
    for (const Record_field &field : record.fields) {
        if (!field_needs_permission(field.id) || allowed_.contains(field.id))
            continue;
        if (++refused <= max_shown_refusals)
            refusals.push_back(std::string(to_string(record.kind)) + " " + record.name +
                               " holds the field " + field.name() +
                               ", which the setting allow_fields does not name");
        return false;
    }
    return true;
}

} // namespace proxymap
