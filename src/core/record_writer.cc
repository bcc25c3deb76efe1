// MUST refuse what would be read back as something else.
#include "record_writer.h"

#include "json_object.h"
#include "text.h"

#include <algorithm>

namespace proxymap {

namespace {

void append_csv(std::string &out, std::string_view text)
{
    if (text.find_first_of(",\"\r\n") == std::string_view::npos) {
        out += text;
        return;
    }
    out += '"';
    for (const char c : text) {
        out += c == '"' ? "\"\"" : std::string_view(&c, 1);
    }
    out += '"';
}

// Records hold no tab and no line end.
void append_tsv(std::string &out, std::string_view text)
{
    for (const char c : text) {
        out += c == '\\' ? "\\\\" : std::string_view(&c, 1);
    }
}

std::string json_line(const Record &record)
{
    std::string out = "{\"kind\":";
    append_json_string(out, to_string(record.kind));
    out += ",\"name\":";
    append_json_string(out, record.name);
    out += ",\"fields\":{";
    for (const auto &field : record.fields) {
        out += &field == &record.fields.front() ? "" : ",";
        append_json_string(out, field.name());
        out += ':';
        append_json_string(out, field.value);
    }
    return out + "}}\n";
}

Error cannot_say(const Record &record, File_format format, const std::string &what)
{
    return Error{std::string(to_string(record.kind)) + " " + quote(record.name) + ": " + what +
                 ", which " + std::string(to_string(format)) + " cannot say; export it as routes"};
}

} // namespace

Result<Done> Record_writer::prepare(const Record &record)
{
    if (format_ == File_format::json && !is_utf8(record.name)) {
        return cannot_say(record, format_, "its name is not UTF-8");
    }
    if (format_ == File_format::tsv && record.name == "NULL") {
        return cannot_say(record, format_, "its name is NULL");
    }
    for (const auto &field : record.fields) {
        if (format_ == File_format::json && !is_utf8(field.value)) {
            return cannot_say(record, format_, "its field " + field.name() + " is not UTF-8");
        }
        if (!is_table()) {
            continue;
        }
        if (field.value.empty()) {
            return cannot_say(record, format_, "its field " + field.name() + " is empty");
        }
        if (format_ == File_format::tsv && field.value == "NULL") {
            return cannot_say(record, format_, "its field " + field.name() + " is NULL");
        }
        Column column{field.id, field.service, field.suffix};
        const auto at = std::lower_bound(columns_.begin(), columns_.end(), column);
        if (at == columns_.end() || *at != column) {
            columns_.insert(at, std::move(column));
        }
    }
    return Done{};
}

std::string Record_writer::header() const
{
    if (!is_table()) {
        return {};
    }
    const char separator = format_ == File_format::csv ? ',' : '\t';
    std::string out = std::string("kind") + separator + "name";
    for (const auto &column : columns_) {
        out += separator;
        out += Record_field{column.id, column.service, column.suffix, {}}.name();
    }
    return out + "\n";
}

Result<std::string> Record_writer::line(const Record &record) const
{
    if (format_ == File_format::routes) {
        return format_record(record) + "\n";
    }
    if (format_ == File_format::json) {
        return json_line(record);
    }
    const bool csv = format_ == File_format::csv;
    const auto append = csv ? append_csv : append_tsv;
    std::string out(to_string(record.kind));
    out += csv ? ',' : '\t';
    append(out, record.name);
    std::size_t written = 0;
    for (const auto &column : columns_) {
        out += csv ? ',' : '\t';
        const auto found =
            std::find_if(record.fields.begin(), record.fields.end(), [&](const auto &field) {
                return field.id == column.id && field.service == column.service &&
                       field.suffix == column.suffix;
            });
        if (found != record.fields.end()) {
            append(out, found->value);
            written++;
        }
    }
    if (written != record.fields.size()) {
        return Error{"the table was changed meanwhile: what was written is not whole; try again"};
    }
    return out + "\n";
}

} // namespace proxymap
