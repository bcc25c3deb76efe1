// MUST build nothing that parse_record() would refuse.
#include "record_build.h"

#include "field_time.h"
#include "record_rules.h"
#include "text.h"

#include <algorithm>

namespace proxymap {

namespace {

constexpr std::size_t max_field_name_bytes = 128; // with its service, and the signs around it

bool is_same_field(const Record_field &a, const Record_field &b)
{
    return a.id == b.id && a.service == b.service && a.suffix == b.suffix;
}

// Gives a value that was checked the one form in which it is kept and compared.
void normalise(Record_field &field)
{
    switch (field.id) {
    case Field_id::proxy_mech:
        std::transform(field.value.begin(), field.value.end(), field.value.begin(), to_upper);
        break;
    case Field_id::proxy_timeout:
    case Field_id::proxy_refresh:
    case Field_id::proxy_host_immediate_failure_after:
        if (const auto msecs = parse_field_time(field.value)) {
            field.value = format_field_time(field.id, *msecs);
        }
        break;
    default:
        break;
    }
}

Result<Record_field> make_field(std::string_view word, std::string value)
{
    const auto name = parse_field_name(word);
    if (!name) {
        return name.error();
    }
    const auto checked = check_field_value(name->id, word, value);
    if (!checked) {
        return checked.error();
    }
    Record_field field{name->id, name->service, {}, std::move(value)};
    if (field.id >= Field_id::forward_prefix) {
        const auto suffix = word.substr(to_string(field.id).size());
        field.suffix = suffix.substr(0, suffix.find('.'));
    }
    normalise(field);
    return field;
}

} // namespace

Result<Done> add_field(Record &record, std::string_view name, std::string value)
{
    auto field = make_field(name, std::move(value));
    if (!field) {
        return field.error();
    }
    if (std::any_of(record.fields.begin(), record.fields.end(),
                    [&](const auto &other) { return is_same_field(*field, other); })) {
        return Error{"field " + quote(name) + " stands twice in the record"};
    }
    record.fields.push_back(std::move(*field));
    return Done{};
}

Result<Done> set_field(Record &record, std::string_view name, std::string value)
{
    auto field = make_field(name, std::move(value));
    if (!field) {
        return field.error();
    }
    const auto old = std::find_if(record.fields.begin(), record.fields.end(),
                                  [&](const auto &other) { return is_same_field(*field, other); });
    if (old == record.fields.end()) {
        record.fields.push_back(std::move(*field));
    } else {
        *old = std::move(*field);
    }
    return Done{};
}

Result<Done> check_record(const Record &record)
{
    if (auto checked = check_record_name(record.kind, record.name); !checked) {
        return checked;
    }
    if (auto checked = check_record_fields(record); !checked) {
        return checked;
    }
    // Quoting at most doubles a name or value: a record far under the limit need not be written.
    std::size_t most = 2 * record.name.size();
    for (const auto &field : record.fields) {
        most += 2 * field.value.size() + max_field_name_bytes;
    }
    if (most < max_record_bytes / 2) {
        return Done{};
    }
    const auto bytes = format_record(record).size();
    if (bytes > max_record_bytes) {
        return Error{"the record has " + std::to_string(bytes) + " bytes; at most " +
                     std::to_string(max_record_bytes) + " are allowed"};
    }
    return Done{};
}

Result<Record> build_record(Kind kind, std::string name, std::vector<Field_text> fields,
                            Key_case key_case)
{
    Record record{kind, std::move(name), {}, {}};
    record.fields.reserve(fields.size());
    for (auto &field : fields) {
        const auto added = add_field(record, field.name, std::move(field.value));
        if (!added) {
            return added.error();
        }
    }
    const auto checked = check_record(record);
    if (!checked) {
        return checked.error();
    }
    fold_record(record, key_case);
    return record;
}

bool same_fields(const Record &a, const Record &b)
{
    return a.fields.size() == b.fields.size() &&
           (a.fields == b.fields ||
            std::is_permutation(a.fields.begin(), a.fields.end(), b.fields.begin()));
}

} // namespace proxymap
