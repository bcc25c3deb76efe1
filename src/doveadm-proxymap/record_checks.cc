#include "record_checks.h"

#include "core/text.h"

#include <algorithm>

namespace proxymap {

namespace {

constexpr std::size_t max_first_users = 5;

bool is_reference(const Record_field &field)
{
    return field.id == Field_id::backend || field.id == Field_id::failover;
}

} // namespace

Result<Done> check_permission(const Record &record, const std::set<Field_id> &allowed)
{
    for (const Record_field &field : record.fields) {
        if (field_needs_permission(field.id) && !allowed.contains(field.id))
            return Error{std::string(to_string(record.kind)) + " " + record.name +
                         " holds the field " + field.name() +
                         ", which the setting allow_fields does not name"};
    }
    return Done{};
}

Result<Done> check_backends(Table &table, const Record &record, bool *failed_r)
{
    for (const Record_field &field : record.fields) {
        if (!is_reference(field))
            continue;
        if (record.kind == Kind::backend && field.value == record.name)
            return Error{"backend " + record.name + " cannot be its own failover"};
        const Result<std::optional<Record>> backend = table.get(Kind::backend, field.value);
        if (!backend) {
            *failed_r = true;
            return backend.error();
        }
        if (!backend->has_value())
            return Error{"backend " + quote(field.value) +
                         " is not in the table; add it first: doveadm proxymap backend add " +
                         field.value + " host=ADDRESS"};
    }
    return Done{};
}

bool names_backend(const Record &record, const std::string &backend)
{
    return std::any_of(record.fields.begin(), record.fields.end(), [&](const Record_field &field) {
        return is_reference(field) && field.value == backend;
    });
}

Result<Backend_users> users_of_backend(Table &table, const std::string &backend)
{
    Backend_users users;
    const Result<Done> read = table.for_each([&](const Record &record) {
        if (names_backend(record, backend)) {
            ++users.count;
            if (users.first.size() < max_first_users)
                users.first.push_back(std::string(to_string(record.kind)) + " " + record.name);
        }
        return true;
    });
    if (!read)
        return read.error();
    return users;
}

} // namespace proxymap
