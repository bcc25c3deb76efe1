// A text that is read once, from its beginning to its end: by bytes, or by lines in bounded memory.
#pragma once

#include <cstddef>
#include <istream>
#include <optional>
#include <string>
#include <string_view>

namespace proxymap {

class Text_input {
  public:
    // in must outlive it.
    explicit Text_input(std::istream &in) : in_(in) {}

    // What comes next, up to a line end, without taking it; at most some 64 KB.
    std::string_view peek_line();
    // Takes it away when it comes next.
    void skip(std::string_view text);

    static constexpr int end = -1;
    int peek() { return start_ < buffer_.size() || fill() ? byte() : end; }
    int get()
    {
        const int c = peek();
        start_ += c == end ? 0U : 1U;
        return c;
    }

    // Without its line end (LF or CR LF); the last one may have none. Valid until the next call.
    // Of a line that is longer than max_bytes only the first max_bytes + 2 are kept: see
    // too_long().
    std::optional<std::string_view> next_line(std::size_t max_bytes);
    bool too_long() const { return too_long_; }

    // The stream broke: what was read is not the whole text.
    bool failed() const { return in_.bad(); }

  private:
    int byte() const { return static_cast<unsigned char>(buffer_[start_]); }
    bool fill();
    void append(std::string_view part, std::size_t max_bytes);

    std::istream &in_;
    std::string buffer_;
    std::size_t start_ = 0;
    std::string line_;
    bool too_long_ = false;
};

} // namespace proxymap
