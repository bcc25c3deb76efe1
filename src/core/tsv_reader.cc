// TSV as `mysql -B` writes it: cells between tabs; \t \n \\ \0 in a cell stand for the bytes. NULL
// and \N (psql's COPY) are cells without a value, as is an empty one.
#include "table_reader.h"

namespace proxymap {

namespace {

class Tsv_reader final : public Table_reader {
  public:
    using Table_reader::Table_reader;

  private:
    std::optional<Row> read_row() override;
};

// Nothing: an escape that is none.
std::optional<std::string> unescape(std::string_view text)
{
    std::string cell;
    cell.reserve(text.size());
    for (std::size_t i = 0; i < text.size(); i++) {
        if (text[i] != '\\') {
            cell += text[i];
            continue;
        }
        i++;
        constexpr std::string_view letters = "tnr0\\";
        constexpr std::string_view bytes("\t\n\r\0\\", 5);
        const auto which = i < text.size() ? letters.find(text[i]) : std::string_view::npos;
        if (which == std::string_view::npos) {
            return std::nullopt;
        }
        cell += bytes[which];
    }
    return cell;
}

std::optional<Table_reader::Row> Tsv_reader::read_row()
{
    std::optional<std::string_view> text;
    do {
        text = in_.next_line(max_row_bytes);
        if (!text) {
            return std::nullopt;
        }
        line_++;
    } while (text->empty());
    const auto line = line_ - 1;
    if (in_.too_long()) {
        return Row{line,
                   Error{"the row has more than " + std::to_string(max_row_bytes) + " bytes"}};
    }
    std::vector<std::optional<std::string>> cells;
    for (std::size_t start = 0; start <= text->size();) {
        const auto stop = std::min(text->find('\t', start), text->size());
        const auto part = text->substr(start, stop - start);
        start = stop + 1;
        if (part.empty() || part == "NULL" || part == "\\N") {
            cells.emplace_back();
            continue;
        }
        auto cell = unescape(part);
        if (!cell) {
            return Row{line, Error{"after a backslash comes t, n, r, 0 or a backslash; a cell "
                                   "without a value is NULL or \\N"}};
        }
        cells.push_back(std::move(cell));
    }
    return Row{line, std::move(cells)};
}

} // namespace

std::unique_ptr<Record_reader> make_tsv_reader(Text_input &in)
{
    return std::make_unique<Tsv_reader>(in);
}

} // namespace proxymap
