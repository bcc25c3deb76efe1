// See stats_counters.h. The protocol is that of stats' client-reader.c, version 2, as `doveadm
// stats dump` speaks it: a line for each metric, its name, what was asked for of its durations, and
// for each of its fields the name and the same; an empty line ends them.
#include "stats_counters.h"

#include "core/conf_value.h"

#include <limits>
#include <utility>

namespace proxymap {

namespace {

constexpr std::uint32_t timeout_msecs = 15'000;
constexpr std::size_t max_line_bytes = 65'536;
constexpr std::size_t max_lines = 100'000;
constexpr std::string_view our_prefix = "proxymap";
constexpr std::string_view version = "VERSION\tstats-reader-server\t2\t";
constexpr std::string_view request = "VERSION\tstats-reader-client\t2\t0\nDUMP\tcount\tavg\n";

const Error not_understood{"the answer of Dovecot's stats is not understood"};

Result<Counter> make_counter(const std::string &metric, const std::string &count,
                             const std::string &average_usec)
{
    const auto number = parse_number(count, 0, std::numeric_limits<std::uint32_t>::max());
    if (!number)
        return not_understood;
    return Counter{metric, *number, average_usec};
}

} // namespace

Result<std::optional<Counter>> parse_counter(std::string_view line)
{
    if (!line.starts_with(our_prefix))
        return std::optional<Counter>();
    // Name, count and average of the durations; then for each field its name, count and average.
    const std::vector<std::string> words = split_tabbed(line);
    if (words.size() % 3 != 0)
        return not_understood;
    std::string average;
    for (std::size_t i = 3; i < words.size() && average.empty(); i += 3) {
        if (words[i].ends_with("_usecs"))
            average = words[i + 2];
    }
    Result<Counter> counter = make_counter(words[0], words[1], average);
    if (!counter)
        return counter.error();
    return std::optional(std::move(*counter));
}

Result<std::vector<Counter>> read_counters(const std::string &path)
{
    const auto failed = [&path](const Error &error) { return Error{path + ": " + error.message}; };
    Result<Line_socket> socket = Line_socket::connect({{}, 0, path}, timeout_msecs);
    if (!socket)
        return failed(socket.error());
    if (const Result<Done> sent = socket->send(request); !sent)
        return failed(sent.error());
    const Result<std::string_view> greeting = socket->read_line(max_line_bytes);
    if (!greeting)
        return failed(greeting.error());
    if (!greeting->starts_with(version))
        return failed(not_understood);
    std::vector<Counter> counters;
    for (std::size_t lines = 0; lines < max_lines; ++lines) {
        const Result<std::string_view> line = socket->read_line(max_line_bytes);
        if (!line)
            return failed(line.error());
        if (line->empty())
            return counters;
        Result<std::optional<Counter>> counter = parse_counter(*line);
        if (!counter)
            return failed(counter.error());
        if (*counter)
            counters.push_back(std::move(**counter));
    }
    return failed(Error{"it sent more than " + std::to_string(max_lines) + " metrics"});
}

Result<std::vector<Counter>> counters_of(const Proxy &proxy, const Doveadm_access &access)
{
    const Result<std::vector<std::string>> values =
        ask_doveadm(proxy.address, access, {"proxymap counters"});
    if (!values)
        return values.error();
    if (values->size() % 3 != 0) // columns of counters.cc
        return not_understood;
    std::vector<Counter> counters;
    for (std::size_t i = 0; i < values->size(); i += 3) {
        Result<Counter> counter = make_counter((*values)[i], (*values)[i + 1], (*values)[i + 2]);
        if (!counter)
            return counter.error();
        counters.push_back(std::move(*counter));
    }
    return counters;
}

} // namespace proxymap
