// CSV as RFC 4180 has it: cells between commas, in double quotes where they hold a comma, a quote
// (doubled) or a line end. An empty cell, quoted or not, is no value: sqlite3 quotes an empty text.
#include "table_reader.h"

namespace proxymap {

namespace {

class Csv_reader final : public Table_reader {
  public:
    using Table_reader::Table_reader;

  private:
    std::optional<Row> read_row() override;
    // A row from its first byte to its line end, which is taken too. Empty: it is a good one.
    std::string read_cells(std::vector<std::optional<std::string>> &cells, bool *lost_r);
    std::string read_quoted(std::string &cell, bool *lost_r);
    bool at_line_end();
    void skip_line();
    int take();

    std::size_t bytes_ = 0; // of this row
};

int Csv_reader::take()
{
    const int c = in_.get();
    line_ += c == '\n' ? 1U : 0U;
    bytes_++;
    return c;
}

void Csv_reader::skip_line()
{
    int c = 0;
    while (c != '\n' && c != Text_input::end) {
        c = take();
    }
}

std::optional<Table_reader::Row> Csv_reader::read_row()
{
    // Some programs end a file in an empty line.
    while (in_.peek() == '\n' || in_.peek() == '\r') {
        take();
    }
    if (in_.peek() == Text_input::end) {
        return std::nullopt;
    }
    const auto line = line_;
    bytes_ = 0;
    bool lost = false;
    std::vector<std::optional<std::string>> cells;
    auto why = read_cells(cells, &lost);
    if (!why.empty()) {
        return Row{line, Error{std::move(why)}, lost};
    }
    return Row{line, std::move(cells)};
}

// Takes it. A CR without LF is none.
bool Csv_reader::at_line_end()
{
    if (in_.peek() == '\r') {
        take();
        if (in_.peek() == Text_input::end) {
            return true;
        }
    }
    if (in_.peek() != '\n' && in_.peek() != Text_input::end) {
        return false;
    }
    take();
    return true;
}

std::string Csv_reader::read_cells(std::vector<std::optional<std::string>> &cells, bool *lost_r)
{
    for (;;) {
        std::string cell;
        if (in_.peek() == '"') {
            if (auto why = read_quoted(cell, lost_r); !why.empty()) {
                return why;
            }
        } else {
            for (int c = in_.peek(); c != ',' && c != '\n' && c != '\r' && c != Text_input::end;
                 c = in_.peek()) {
                if (c == '"') {
                    skip_line();
                    return "a quote inside a cell: the whole cell stands in double quotes then, "
                           "and each quote in it twice";
                }
                cell += static_cast<char>(take());
                if (bytes_ > max_row_bytes) {
                    skip_line();
                    return "the row has more than " + std::to_string(max_row_bytes) + " bytes";
                }
            }
        }
        cells.push_back(cell.empty() ? std::nullopt : std::optional(std::move(cell)));
        if (in_.peek() == ',') {
            take();
            continue;
        }
        if (at_line_end()) {
            return {};
        }
        skip_line();
        return "after a cell comes a comma or the end of the line";
    }
}

// A quote that is never closed swallows the rest of the file: nothing behind it can be believed.
std::string Csv_reader::read_quoted(std::string &cell, bool *lost_r)
{
    take();
    for (;;) {
        const int c = take();
        if (c == Text_input::end || bytes_ > max_row_bytes) {
            *lost_r = true;
            return "a quoted cell has no closing quote within " + std::to_string(max_row_bytes) +
                   " bytes: nothing behind it was read";
        }
        if (c == '"') {
            if (in_.peek() != '"') {
                return {};
            }
            take();
        }
        cell += static_cast<char>(c);
    }
}

} // namespace

std::unique_ptr<Record_reader> make_csv_reader(Text_input &in)
{
    return std::make_unique<Csv_reader>(in);
}

} // namespace proxymap
