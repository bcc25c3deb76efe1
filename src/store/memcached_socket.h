// A connection to a memcached server as a stream of lines and bytes. Blocks, each time for at most
// the timeout. Used up by its first error.
#pragma once

#include "../core/result.h"
#include "memcached_connection.h"

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace proxymap {

class Memcached_socket {
    struct Private {};

  public:
    // timeout: milliseconds, for connecting and for each wait.
    static Result<std::unique_ptr<Memcached_socket>> open(const Memcached_endpoint &endpoint,
                                                          std::uint32_t timeout);

    Memcached_socket(Private, int fd, std::uint32_t timeout) : fd_(fd), timeout_(timeout) {}
    ~Memcached_socket();
    Memcached_socket(const Memcached_socket &) = delete;
    Memcached_socket &operator=(const Memcached_socket &) = delete;

    Result<Done> send_all(std::string_view bytes);
    Result<std::string> read_line(); // without its line end; at most 1024 bytes
    Result<std::string> read_bytes(std::size_t count);

    // For that reason, which is the error that it returns: what comes is not what was expected.
    Error give_up(const std::string &why);
    bool given_up() const { return given_up_; }

  private:
    Result<Done> receive();

    int fd_;
    std::uint32_t timeout_;
    bool given_up_ = false;
    std::string input_;    // what has come
    std::size_t read_ = 0; // of it
};

} // namespace proxymap
