// See columns.h.
#include "columns.h"

#include "record_build.h"
#include "text.h"

#include <algorithm>

namespace proxymap {

namespace {

constexpr std::string_view allowed_keys = "the key of a row is in the column user or domain, or in "
                                          "name with kind beside it";

Error refused_column(std::string_view name, const std::string &why)
{
    return Error{"column " + quote(name) + ": " + why + "; " + std::string(allowed_keys)};
}

} // namespace

Result<Columns> Columns::parse(const std::vector<std::string> &header)
{
    Columns columns;
    columns.names_ = header;
    const auto has = [&](std::string_view name) {
        return std::find(header.begin(), header.end(), name) != header.end();
    };
    const bool by_kind = has("kind") || has("name");
    for (std::size_t i = 0; i < header.size(); i++) {
        const auto &name = header[i];
        if (std::count(header.begin(), header.end(), name) > 1) {
            return Error{"column " + quote(name) + " stands twice in the header"};
        }
        if (by_kind && name == "kind") {
            columns.kind_column_ = i;
        } else if (by_kind ? name == "name" : name == "user" || name == "domain") {
            if (columns.name_) {
                return Error{
                    "the columns user and domain cannot both be the key; write USER@DOMAIN "
                    "into the column user"};
            }
            columns.name_ = i;
            columns.kind_ = name == "domain" ? Kind::domain : Kind::user;
        } else if (const auto field = parse_field_name(name); !field) {
            return refused_column(name, field.error().message);
        }
    }
    if (!columns.name_ || (by_kind && !columns.kind_column_)) {
        return Error{"the header (" + std::to_string(header.size()) +
                     " columns) has no key: " + std::string(allowed_keys)};
    }
    return columns;
}

Result<Record> Columns::record(std::vector<std::optional<std::string>> &&cells) const
{
    if (cells.size() != names_.size()) {
        return Error{"the row has " + std::to_string(cells.size()) + " cells, the header " +
                     std::to_string(names_.size())};
    }
    Kind kind = kind_;
    if (kind_column_) {
        const auto word = cells[*kind_column_].value_or("");
        const auto parsed = parse_kind(word);
        if (!parsed) {
            return Error{"a kind is user, domain, default or backend, not " + quote(word)};
        }
        kind = *parsed;
    }
    if (!cells[*name_]) {
        return Error{"the column " + names_[*name_] + " is empty"};
    }
    Record record{kind, std::move(*cells[*name_]), {}, {}};
    for (std::size_t i = 0; i < cells.size(); i++) {
        if (i == *name_ || i == kind_column_ || !cells[i]) {
            continue;
        }
        if (const auto added = add_field(record, names_[i], std::move(*cells[i])); !added) {
            return added.error();
        }
    }
    if (const auto checked = check_record(record); !checked) {
        return checked.error();
    }
    return record;
}

} // namespace proxymap
