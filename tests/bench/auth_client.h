// One connection to Dovecot's auth process, as a login process has it: the auth client protocol
// (Dovecot: doc/auth-protocol.txt) over a unix socket. Needs no header of Dovecot.
// Every error ends the program with one sentence: a benchmark with an error has no result.
#pragma once

#include "program.h"

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

namespace proxymap::bench {

class Auth_client {
  public:
    // Connects and waits for the server's DONE, 10 s at most.
    explicit Auth_client(const std::string &socket_path);
    ~Auth_client();
    Auth_client(const Auth_client &) = delete;
    Auth_client &operator=(const Auth_client &) = delete;

    // Appends to the output buffer; wait() sends it. `line` holds no newline.
    void send(std::string_view line);

    // Sends what there is to send, waits for input until the moment `until` (monotonic_ns),
    // hands each complete line to `each` without its newline. Returns after one read.
    void wait(std::uint64_t until, const std::function<void(std::string_view)> &each);

  private:
    void flush();

    int fd_ = -1;
    std::string out_;
    std::size_t out_sent_ = 0;
    std::string in_; // at most one incomplete line between two calls
};

} // namespace proxymap::bench
