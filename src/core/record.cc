// Records: what they hold, and their canonical text. They are read in record_parse.cc.
#include "record.h"

#include "text.h"

#include <algorithm>

namespace proxymap {

namespace {

bool is_backend_reference(Field_id id)
{
    return id == Field_id::backend || id == Field_id::failover;
}

void append_value(std::string &out, std::string_view value)
{
    if (!value.empty() && value.find_first_of(" \"") == std::string_view::npos) {
        out += value;
        return;
    }
    out += '"';
    for (const char c : value) {
        if (c == '"' || c == '\\') {
            out += '\\';
        }
        out += c;
    }
    out += '"';
}

void fold(std::string &name, Key_case key_case)
{
    if (key_case == Key_case::lower) {
        std::transform(name.begin(), name.end(), name.begin(), to_lower);
    }
}

} // namespace

std::optional<Kind> parse_kind(std::string_view word)
{
    for (const auto kind : {Kind::user, Kind::domain, Kind::default_route, Kind::backend}) {
        if (word == to_string(kind)) {
            return kind;
        }
    }
    return std::nullopt;
}

std::string_view to_string(Kind kind)
{
    switch (kind) {
    case Kind::user:
        return "user";
    case Kind::domain:
        return "domain";
    case Kind::default_route:
        return "default";
    case Kind::backend:
        return "backend";
    }
    return "";
}

std::string Record_field::name() const
{
    std::string text(to_string(id));
    text += suffix;
    if (service != Service::any) {
        text += '.';
        text += to_string(service);
    }
    return text;
}

const std::string *Record::find(Field_id id, Service service) const
{
    const std::string *general = nullptr;
    for (const auto &field : fields) {
        if (field.id != id) {
            continue;
        }
        if (field.service == service) {
            return &field.value;
        }
        if (field.service == Service::any) {
            general = &field.value;
        }
    }
    return general;
}

std::string format_record(const Record &record)
{
    std::string text(to_string(record.kind));
    text += ' ';
    append_value(text, record.name);
    for (const auto &field : record.fields) {
        text += ' ';
        text += field.name();
        text += '=';
        append_value(text, field.value);
    }
    return text;
}

std::string format_stored_record(const Record &record)
{
    return format_stored_record(record, record.position);
}

std::string format_stored_record(const Record &record, const Position &position)
{
    return format_stored_record(format_record(record), position);
}

std::string format_stored_record(std::string_view text, const Position &position)
{
    std::string stored(text);
    stored += " pos=";
    stored += format_position(position);
    return stored;
}

bool is_possible_name(std::string_view name)
{
    return !name.empty() && name.size() <= max_name_bytes &&
           std::none_of(name.begin(), name.end(), is_control);
}

bool is_folded(std::string_view name, Key_case key_case)
{
    return key_case == Key_case::keep ||
           std::none_of(name.begin(), name.end(), [](char c) { return to_lower(c) != c; });
}

std::string fold_name(std::string_view name, Key_case key_case)
{
    std::string folded(name);
    fold(folded, key_case);
    return folded;
}

void fold_record(Record &record, Key_case key_case)
{
    fold(record.name, key_case);
    for (auto &field : record.fields) {
        if (is_backend_reference(field.id)) {
            fold(field.value, key_case);
        }
    }
}

} // namespace proxymap
