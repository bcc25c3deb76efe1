// A real memcached for a test, on a unix socket in a folder of its own. Where none is installed,
// the tests that want one say so and do nothing.
#pragma once

#include <memory>
#include <string>
#include <sys/types.h>
#include <vector>

class Real_memcached {
  public:
    // Null, and a line on standard output: there is no memcached in PATH.
    // options: added to its command line, "-M".
    static std::unique_ptr<Real_memcached> start(const std::vector<std::string> &options);
    ~Real_memcached(); // kills it and removes the folder
    Real_memcached(const Real_memcached &) = delete;
    Real_memcached &operator=(const Real_memcached &) = delete;

    const std::string &socket() const { return socket_; }
    // Ends it and starts another one, empty, on the same socket.
    void restart(const std::vector<std::string> &options);
    void freeze(); // SIGSTOP
    void thaw();
    // Sends the lines and reads up to the first line that ends a reply.
    std::string command(const std::string &lines) const;

  private:
    Real_memcached() = default;
    void run(const std::vector<std::string> &options);
    void end();

    std::string folder_;
    std::string socket_;
    pid_t pid_ = -1;
};
