// A plain socket to a server that speaks in lines, for what no library of ours asks.
//
// MUST: every wait has an end, and no server makes the tool keep more than it was told to.
#pragma once

#include "core/result.h"
#include "store/lmdb_files.h"

#include <cstdint>
#include <string>
#include <string_view>

namespace proxymap {

class Line_socket {
  public:
    struct Address {
        std::string host; // name or IP
        std::uint16_t port = 0;
        std::string path; // or a unix socket
    };
    // timeout: milliseconds, for connecting to one address of the host, and for each wait.
    static Result<Line_socket> connect(const Address &address, std::uint32_t timeout);

    Result<Done> send(std::string_view bytes);
    // Without its line end, \n or \r\n. Valid until the next call. A longer one than max_bytes is
    // an error.
    Result<std::string_view> read_line(std::size_t max_bytes);
    // For a handshake after the last line that was read. Non-blocking, owned by this.
    int fd() const { return fd_.get(); }

  private:
    Line_socket(Fd fd, std::uint32_t timeout) : fd_(std::move(fd)), timeout_(timeout) {}

    Fd fd_;
    std::uint32_t timeout_;
    std::string buffer_;
    std::size_t start_ = 0; // of the next line
};

} // namespace proxymap
