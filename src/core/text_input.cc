// See text_input.h.
#include "text_input.h"

namespace proxymap {

namespace {

constexpr std::size_t buffer_bytes = 65536;

} // namespace

// Only when nothing is left.
bool Text_input::fill()
{
    start_ = 0;
    buffer_.resize(in_.good() ? buffer_bytes : 0);
    if (!buffer_.empty()) {
        in_.read(buffer_.data(), static_cast<std::streamsize>(buffer_.size()));
        buffer_.resize(static_cast<std::size_t>(in_.gcount()));
    }
    return !buffer_.empty();
}

std::string_view Text_input::peek_line()
{
    if (peek() == end) {
        return {};
    }
    const auto rest = std::string_view(buffer_).substr(start_);
    return rest.substr(0, rest.find_first_of("\r\n"));
}

void Text_input::skip(std::string_view text)
{
    if (peek() != end && std::string_view(buffer_).substr(start_).starts_with(text)) {
        start_ += text.size();
    }
}

std::optional<std::string_view> Text_input::next_line(std::size_t max_bytes)
{
    line_.clear();
    too_long_ = false;
    if (peek() == end) {
        return std::nullopt;
    }
    for (bool ended = false; !ended && peek() != end;) {
        const auto rest = std::string_view(buffer_).substr(start_);
        const auto newline = rest.find('\n');
        ended = newline != std::string_view::npos;
        append(rest.substr(0, newline), max_bytes);
        start_ += ended ? newline + 1 : rest.size();
    }
    if (!too_long_ && line_.ends_with('\r')) {
        line_.pop_back();
    }
    too_long_ = too_long_ || line_.size() > max_bytes;
    return line_;
}

void Text_input::append(std::string_view part, std::size_t max_bytes)
{
    const auto room = max_bytes + 2 - line_.size();
    too_long_ = too_long_ || part.size() > room;
    line_.append(part.substr(0, room));
}

} // namespace proxymap
