// JSON lines, an object each, in one of two forms:
//   {"kind":"user","name":"john","fields":{"host":"192.168.0.1"}}   as the tool writes them
//   {"user":"john","host":"192.168.0.1","destuser":""}              as databases write a row
// In the second, an empty string is no value, as in a table's cell.
#include "columns.h"
#include "json_object.h"
#include "record_build.h"
#include "record_reader.h"
#include "text.h"

#include <algorithm>

namespace proxymap {

namespace {

constexpr std::size_t max_line_bytes = 65536; // a record, with every byte of it escaped

using Members = std::vector<Json_member>;

const Json_member *find(const Members &members, std::string_view name)
{
    const auto found = std::find_if(members.begin(), members.end(),
                                    [&](const auto &member) { return member.name == name; });
    return found == members.end() ? nullptr : &*found;
}

Result<Record> read_nested(Members &&members)
{
    std::string kind_word;
    std::string name = "*"; // of the default record
    Members fields;
    for (auto &member : members) {
        if (member.name == "fields" && member.is_object) {
            fields = std::move(member.members);
        } else if (member.name == "kind" && member.text) {
            kind_word = *member.text;
        } else if (member.name == "name" && member.text) {
            name = *member.text;
        } else {
            return Error{"member " + quote(member.name) +
                         " is not allowed here: beside the object \"fields\" stand the strings "
                         "\"kind\" and \"name\""};
        }
    }
    const auto kind = parse_kind(kind_word);
    if (!kind) {
        return Error{"a kind is user, domain, default or backend, not " + quote(kind_word)};
    }
    std::vector<Field_text> texts;
    for (auto &field : fields) {
        if (field.text) {
            texts.push_back({std::move(field.name), std::move(*field.text)});
        }
    }
    return build_record(*kind, std::move(name), std::move(texts), Key_case::keep);
}

Result<Record> read_flat(Members &&members)
{
    std::vector<std::string> names;
    std::vector<std::optional<std::string>> cells;
    for (auto &member : members) {
        if (member.is_object) {
            return Error{"member " + quote(member.name) +
                         " is an object; only \"fields\" may be one"};
        }
        names.push_back(std::move(member.name));
        if (member.text && member.text->empty()) {
            member.text.reset();
        }
        cells.push_back(std::move(member.text));
    }
    const auto columns = Columns::parse(names);
    if (!columns) {
        return columns.error();
    }
    return columns->record(std::move(cells));
}

class Json_reader final : public Record_reader {
  public:
    explicit Json_reader(Text_input &in) : in_(in) {}

    std::optional<Item> next() override
    {
        while (const auto line = in_.next_line(max_line_bytes)) {
            line_++;
            if (in_.too_long()) {
                return Item{line_, Error{"the line has more than " +
                                         std::to_string(max_line_bytes) + " bytes"}};
            }
            if (std::all_of(line->begin(), line->end(), is_blank)) {
                continue;
            }
            auto members = parse_json_object(*line);
            if (!members) {
                return Item{line_, members.error()};
            }
            const bool nested = find(*members, "fields") != nullptr;
            return Item{line_,
                        nested ? read_nested(std::move(*members)) : read_flat(std::move(*members))};
        }
        return std::nullopt;
    }

  private:
    Text_input &in_;
    std::uint64_t line_ = 0;
};

} // namespace

std::unique_ptr<Record_reader> make_json_reader(Text_input &in)
{
    return std::make_unique<Json_reader>(in);
}

} // namespace proxymap
