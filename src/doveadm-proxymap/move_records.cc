// See move_records.h.
#include "move_records.h"

#include "core/expand.h"
#include "core/field_time.h"

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

namespace proxymap {

namespace {

void drop(Record &record, Field_id id)
{
    std::erase_if(record.fields, [id](const Record_field &field) { return field.id == id; });
}

bool names_host(const Record &record)
{
    return std::any_of(record.fields.begin(), record.fields.end(),
                       [](const Record_field &field) { return field.id == Field_id::host; });
}

} // namespace

bool is_on(const Record &record, const std::string &backend)
{
    return std::any_of(record.fields.begin(), record.fields.end(), [&](const Record_field &field) {
        return field.id == Field_id::backend && field.value == backend;
    });
}

bool is_on_hold(const Record &record)
{
    bool general = false;
    for (const Record_field &field : record.fields) {
        if (field.id != Field_id::state)
            continue;
        if (field.value != "hold")
            return false;
        general = general || field.service == Service::any;
    }
    return general;
}

Record put_on_hold(Record record)
{
    drop(record, Field_id::state);
    record.fields.push_back({Field_id::state, Service::any, "", "hold"});
    return record;
}

Record take_off_hold(Record record)
{
    drop(record, Field_id::state);
    return record;
}

Result<Record> move_to(Record record, const std::string &from, const std::string &to)
{
    record = take_off_hold(std::move(record));
    if (!from.empty()) {
        for (Record_field &field : record.fields) {
            if (field.id == Field_id::backend && field.value == from)
                field.value = to;
        }
        return record;
    }
    if (names_host(record))
        return Error{"the record names a host of its own, which goes before any backend: change it "
                     "with doveadm proxymap set and unset"};
    drop(record, Field_id::backend);
    record.fields.insert(record.fields.begin(), {Field_id::backend, Service::any, "", to});
    return record;
}

Result<std::optional<Inherited>> inherit_record(Table &table, const std::string &user)
{
    struct Candidate {
        Kind kind;
        std::string name;
    };
    const std::array<Candidate, 2> candidates = {{
        {Kind::domain, std::string(domain_of(user))},
        {Kind::default_route, "*"},
    }};
    for (const auto &[kind, name] : candidates) {
        if (name.empty())
            continue;
        const Result<std::optional<Record>> found = table.get(kind, name);
        if (!found)
            return found.error();
        if (*found)
            return std::optional(Inherited{{Kind::user, user, (*found)->fields, {}}, kind, name});
    }
    return std::optional<Inherited>();
}

std::uint64_t longest_proxy_timeout(const Record &record)
{
    std::uint64_t longest = 0;
    for (const Record_field &field : record.fields) {
        if (field.id == Field_id::proxy_timeout)
            longest = std::max(longest, parse_field_time(field.value).value_or(0));
    }
    return longest;
}

} // namespace proxymap
