// What libmemcached cannot ask of a memcached server, over a plain socket and its text protocol:
// its counters, and the names of all its keys. Only questions that change nothing.
#pragma once

#include "line_socket.h"

#include "core/result.h"
#include "core/settings.h"

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

namespace proxymap {

// `key=` of a metadump's line, its %XX decoded. Nothing: there is none, or it is not encoded right.
std::optional<std::string> parse_dumped_key(std::string_view line);

class Memcached_text {
  public:
    // Blocks, for seconds at most. Errors here and below have no mirror's name before them.
    static Result<std::unique_ptr<Memcached_text>> connect(const Store_address &address);

    using Stats = std::map<std::string, std::string, std::less<>>;
    Result<Stats> stats();
    // Each key that the server holds, once, in no order (`lru_crawler metadump all`). An error: the
    // server does not say (before 1.5, or started without its LRU crawler, or just busy with it).
    Result<Done> for_each_key(const std::function<void(std::string &&key)> &each);
    // Of one small question, in microseconds.
    std::uint64_t latency() const { return latency_; }

  private:
    explicit Memcached_text(Line_socket socket) : socket_(std::move(socket)) {}
    Result<Done> ask(std::string_view command);
    // Without its line end. Valid until the next call.
    Result<std::string_view> read_line();

    Line_socket socket_;
    std::uint64_t latency_ = 0;
};

} // namespace proxymap
