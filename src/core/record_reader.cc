// See record_reader.h.
#include "record_reader.h"

#include "text.h"

#include <algorithm>
#include <array>

namespace proxymap {

namespace {

constexpr std::array formats = {File_format::routes, File_format::csv, File_format::tsv,
                                File_format::json};
constexpr std::string_view byte_order_mark = "\xef\xbb\xbf"; // Windows puts it before a table

} // namespace

std::optional<File_format> parse_file_format(std::string_view word)
{
    const auto *found = std::find_if(formats.begin(), formats.end(),
                                     [&](auto format) { return to_string(format) == word; });
    return found == formats.end() ? std::nullopt : std::optional(*found);
}

std::string_view to_string(File_format format)
{
    switch (format) {
    case File_format::routes:
        return "routes";
    case File_format::csv:
        return "csv";
    case File_format::tsv:
        return "tsv";
    case File_format::json:
        return "json";
    }
    return "";
}

// The header of a table holds no "=", every route does, and so does no backend without fields,
// which is two words.
File_format guess_format(Text_input &in)
{
    auto line = in.peek_line();
    if (line.starts_with(byte_order_mark)) {
        line.remove_prefix(byte_order_mark.size());
    }
    const auto start = std::find_if_not(line.begin(), line.end(), is_blank);
    if (start == line.end() || *start == '#') {
        return File_format::routes;
    }
    if (*start == '{') {
        return File_format::json;
    }
    const auto has = [&](char c) { return line.find(c) != std::string_view::npos; };
    if (has('=')) {
        return File_format::routes;
    }
    if (has(',')) {
        return File_format::csv;
    }
    if (has('\t')) {
        return File_format::tsv;
    }
    return has(' ') ? File_format::routes : File_format::csv;
}

std::unique_ptr<Record_reader> make_record_reader(File_format format, Text_input &in)
{
    if (format != File_format::routes) {
        in.skip(byte_order_mark);
    }
    switch (format) {
    case File_format::csv:
        return make_csv_reader(in);
    case File_format::tsv:
        return make_tsv_reader(in);
    case File_format::json:
        return make_json_reader(in);
    case File_format::routes:
        break;
    }
    return make_routes_reader(in);
}

} // namespace proxymap
