// MUST believe nothing that is longer than a line of memcached's can be.
#include "memcached_text.h"

#include "core/text.h"

#include <chrono>
#include <utility>

namespace proxymap {

namespace {

constexpr std::uint32_t timeout_msecs = 5000;
constexpr std::size_t max_line_bytes = 4096;

} // namespace

std::optional<std::string> parse_dumped_key(std::string_view line)
{
    constexpr std::string_view start = "key=";
    if (!line.starts_with(start))
        return std::nullopt;
    line = line.substr(start.size(), line.find(' ') - start.size());
    std::string key;
    while (!line.empty()) {
        if (line[0] != '%') {
            key += line[0];
            line.remove_prefix(1);
            continue;
        }
        unsigned byte = 0;
        for (const std::size_t at : {1U, 2U}) {
            constexpr std::string_view digits = "0123456789abcdef";
            const std::size_t digit =
                at < line.size() ? digits.find(to_lower(line[at])) : std::string_view::npos;
            if (digit == std::string_view::npos)
                return std::nullopt;
            byte = byte << 4U | static_cast<unsigned>(digit);
        }
        key += static_cast<char>(byte);
        line.remove_prefix(3);
    }
    return key.empty() ? std::nullopt : std::optional(std::move(key));
}

Result<std::unique_ptr<Memcached_text>> Memcached_text::connect(const Store_address &address)
{
    Result<Line_socket> socket =
        Line_socket::connect({address.host, address.port, address.path}, timeout_msecs);
    if (!socket)
        return socket.error();
    std::unique_ptr<Memcached_text> connection(new Memcached_text(std::move(*socket)));
    const auto begin = std::chrono::steady_clock::now();
    if (const Result<Done> asked = connection->ask("version"); !asked)
        return asked.error();
    const Result<std::string_view> line = connection->read_line();
    if (!line)
        return line.error();
    if (!line->starts_with("VERSION "))
        return Error{"its answer is not memcached's protocol"};
    connection->latency_ =
        static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::microseconds>(
                                       std::chrono::steady_clock::now() - begin)
                                       .count());
    return connection;
}

Result<Done> Memcached_text::ask(std::string_view command)
{
    return socket_.send(std::string(command) + "\r\n");
}

Result<std::string_view> Memcached_text::read_line()
{
    return socket_.read_line(max_line_bytes);
}

Result<Memcached_text::Stats> Memcached_text::stats()
{
    if (const Result<Done> asked = ask("stats"); !asked)
        return asked.error();
    Stats stats;
    for (;;) {
        const Result<std::string_view> line = read_line();
        if (!line)
            return line.error();
        if (*line == "END")
            return stats;
        constexpr std::string_view start = "STAT ";
        const std::size_t blank = line->find(' ', start.size());
        if (!line->starts_with(start) || blank == std::string_view::npos)
            return Error{"its answer is not memcached's protocol"};
        stats.emplace(line->substr(start.size(), blank - start.size()), line->substr(blank + 1));
    }
}

Result<Done> Memcached_text::for_each_key(const std::function<void(std::string &&key)> &each)
{
    if (const Result<Done> asked = ask("lru_crawler metadump all"); !asked)
        return asked;
    for (bool is_first = true;; is_first = false) {
        const Result<std::string_view> line = read_line();
        if (!line)
            return line.error();
        if (*line == "END")
            return Done{};
        if (is_first && *line == "OK") // newer ones (1.6.45) say so first
            continue;
        std::optional<std::string> key = parse_dumped_key(*line);
        if (!key)
            return Error{"it does not list its keys: " + quote(*line)};
        each(std::move(*key));
    }
}

} // namespace proxymap
