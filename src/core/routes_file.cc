// Reads routes files line by line. MUST report every line that is not a whole good record, so that
// the caller takes over all of the file or nothing.
#include "routes_file.h"

#include "seen_names.h"
#include "text.h"

#include <algorithm>
#include <map>
#include <optional>

namespace proxymap {

namespace {

constexpr std::size_t max_reported_errors = 20;
constexpr std::size_t buffer_bytes = 65536;

// Lines of a stream, each in bounded memory: the rest of a line that is too long is skipped.
class Line_reader {
  public:
    explicit Line_reader(std::istream &in) : in_(in) {}

    // Without its line end (LF or CR LF). Valid until the next call.
    // Its first max_record_bytes + 2 bytes when it is longer: see too_long().
    std::optional<std::string_view> next()
    {
        line_.clear();
        too_long_ = false;
        if (at_end()) {
            return std::nullopt;
        }
        for (bool ended = false; !ended && !at_end();) {
            const auto rest = std::string_view(buffer_).substr(start_);
            const auto newline = rest.find('\n');
            ended = newline != std::string_view::npos;
            append(rest.substr(0, newline));
            start_ += ended ? newline + 1 : rest.size();
        }
        if (!too_long_ && line_.ends_with('\r')) {
            line_.pop_back();
        }
        too_long_ = too_long_ || line_.size() > max_record_bytes;
        return line_;
    }

    bool too_long() const { return too_long_; }

  private:
    void append(std::string_view part)
    {
        const auto room = max_record_bytes + 2 - line_.size();
        too_long_ = too_long_ || part.size() > room;
        line_.append(part.substr(0, room));
    }

    bool at_end()
    {
        if (start_ == buffer_.size() && in_.good()) {
            buffer_.resize(buffer_bytes);
            in_.read(buffer_.data(), static_cast<std::streamsize>(buffer_.size()));
            buffer_.resize(static_cast<std::size_t>(in_.gcount()));
            start_ = 0;
        }
        return start_ == buffer_.size();
    }

    std::istream &in_;
    std::string buffer_;
    std::size_t start_ = 0;
    std::string line_;
    bool too_long_ = false;
};

class Routes_reader {
  public:
    Routes_reader(Key_case key_case, const std::function<void(Record &&)> &each,
                  Routes_file_errors &errors)
        : key_case_(key_case), each_(each), errors_(errors)
    {
    }

    void read(std::istream &in)
    {
        Line_reader lines(in);
        while (const auto line = lines.next()) {
            line_++;
            if (lines.too_long()) {
                report(line_, "the line has more than " + std::to_string(max_record_bytes) +
                                  " bytes, the most that a record may have");
            } else {
                read_line(*line);
            }
        }
        if (in.bad()) {
            report(line_ + 1, "reading failed: the file ends here only by an error");
        }
    }

    void check_backends(const std::function<bool(const std::string &)> &known_backend)
    {
        std::vector<Line_error> absent;
        for (const auto &[name, line] : references_) {
            if (!seen_.contains(Kind::backend, name) && !(known_backend && known_backend(name))) {
                absent.push_back({line, "backend " + quote(name) +
                                            " is neither in this file nor in the table; write a "
                                            "record for it: backend " +
                                            name + " host=ADDRESS"});
            }
        }
        std::sort(absent.begin(), absent.end(),
                  [](const auto &a, const auto &b) { return a.line < b.line; });
        for (auto &error : absent) {
            report(error.line, std::move(error.message));
        }
        std::stable_sort(errors_.first.begin(), errors_.first.end(),
                         [](const auto &a, const auto &b) { return a.line < b.line; });
    }

    std::uint64_t records() const { return records_; }

  private:
    void report(std::uint64_t line, std::string message)
    {
        if (errors_.first.size() < max_reported_errors) {
            errors_.first.push_back({line, std::move(message)});
        }
        errors_.count++;
    }

    void read_line(std::string_view line)
    {
        const auto start = std::find_if_not(line.begin(), line.end(), is_blank);
        const bool comment = start != line.end() && *start == '#';
        const bool control = std::any_of(line.begin(), line.end(),
                                         [](char c) { return is_control(c) && !is_blank(c); });
        if (!control && (comment || start == line.end())) {
            return;
        }
        if (control && comment) {
            report(line_, "the comment holds a control character; only tabs are allowed");
            return;
        }
        // Kept as written at first: an error shall name what the admin wrote.
        auto record = parse_record(line, Key_case::keep);
        if (!record) {
            report(line_, record.error().message);
            return;
        }
        take(std::move(*record));
    }

    void take(Record &&record)
    {
        const auto written = record.name;
        fold_record(record, key_case_);
        const auto first_line = seen_.add(record.kind, record.name, line_);
        if (first_line != 0) {
            report(line_, std::string(to_string(record.kind)) + " " + quote(written) +
                              " stands on line " + std::to_string(first_line) + " already" +
                              (key_case_ == Key_case::lower
                                   ? "; names that differ only by case are the same"
                                   : ""));
            return;
        }
        for (const auto &field : record.fields) {
            if (field.id == Field_id::backend || field.id == Field_id::failover) {
                references_.try_emplace(field.value, line_);
            }
        }
        records_++;
        each_(std::move(record));
    }

    Key_case key_case_;
    const std::function<void(Record &&)> &each_;
    Routes_file_errors &errors_;
    Seen_names seen_;
    std::map<std::string, std::uint64_t, std::less<>> references_; // backend, its first line
    std::uint64_t line_ = 0;
    std::uint64_t records_ = 0;
};

} // namespace

std::uint64_t read_routes(std::istream &in, Key_case key_case,
                          const std::function<bool(const std::string &backend)> &known_backend,
                          const std::function<void(Record &&)> &each, Routes_file_errors *errors_r)
{
    Routes_reader reader(key_case, each, *errors_r);
    reader.read(in);
    reader.check_backends(known_backend);
    return reader.records();
}

} // namespace proxymap
