// See table_reader.h.
#include "table_reader.h"

namespace proxymap {

Record_reader::Item Table_reader::give_up(std::uint64_t line, Error why)
{
    ended_ = true;
    return {line, std::move(why)};
}

std::optional<Record_reader::Item> Table_reader::next()
{
    if (ended_) {
        return std::nullopt;
    }
    auto row = read_row();
    if (!columns_) {
        if (!row) {
            return give_up(1, Error{"the file is empty: its first line names the columns"});
        }
        if (!row->cells) {
            return give_up(row->line, row->cells.error());
        }
        std::vector<std::string> names;
        for (const auto &cell : *row->cells) {
            names.push_back(cell.value_or(""));
        }
        const auto columns = Columns::parse(names);
        if (!columns) {
            return give_up(row->line, columns.error());
        }
        columns_ = *columns;
        row = read_row();
    }
    if (!row) {
        return std::nullopt;
    }
    if (!row->cells) {
        ended_ = row->lost;
        return Item{row->line, row->cells.error()};
    }
    return Item{row->line, columns_->record(std::move(*row->cells))};
}

} // namespace proxymap
