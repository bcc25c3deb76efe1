// Routes files: one record a line, `#` comments, blank lines.
#include "record_reader.h"
#include "text.h"

#include <algorithm>

namespace proxymap {

namespace {

class Routes_reader final : public Record_reader {
  public:
    explicit Routes_reader(Text_input &in) : in_(in) {}

    std::optional<Item> next() override
    {
        while (const auto line = in_.next_line(max_record_bytes)) {
            line_++;
            if (in_.too_long()) {
                return Item{line_,
                            Error{"the line has more than " + std::to_string(max_record_bytes) +
                                  " bytes, the most that a record may have"}};
            }
            const auto start = std::find_if_not(line->begin(), line->end(), is_blank);
            const bool comment = start != line->end() && *start == '#';
            const bool control = std::any_of(line->begin(), line->end(),
                                             [](char c) { return is_control(c) && !is_blank(c); });
            if (control && comment) {
                return Item{line_, Error{"the comment holds a control character; only tabs are "
                                         "allowed"}};
            }
            if (control || (!comment && start != line->end())) {
                return Item{line_, parse_record(*line, Key_case::keep)};
            }
        }
        return std::nullopt;
    }

  private:
    Text_input &in_;
    std::uint64_t line_ = 0;
};

} // namespace

std::unique_ptr<Record_reader> make_routes_reader(Text_input &in)
{
    return std::make_unique<Routes_reader>(in);
}

} // namespace proxymap
