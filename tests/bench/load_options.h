// The command line of auth-load.
#pragma once

#include <cstdint>
#include <string>

namespace proxymap::bench {

enum class Distribution : std::uint8_t { uniform, zipf, sequential };

struct Options {
    std::string socket;
    std::uint64_t requests = 0; // 0: until seconds are over
    double seconds = 0;
    std::uint32_t outstanding = 0; // 0: 64 in a closed loop, 4096 in an open one
    std::uint32_t pause_usecs = 0;
    std::uint32_t users = 100'000;
    std::uint64_t first_user = 0;
    std::string name_head = "user"; // user%d@example.com, split at %d
    std::string name_tail = "@example.com";
    Distribution distribution = Distribution::uniform;
    std::uint64_t skip = 0; // users that a sequence leaves out at first
    double rate = 0;        // logins a second; 0: closed loop
    std::uint32_t uncached_every = 0;
    std::uint64_t uncached_first = 0;
    std::uint32_t seed = 1;
    std::string service = "imap";
    std::string lip = "127.0.0.1";
    std::string rip = "127.0.0.1";
};

// Ends the program with the usage (exit 64) or one sentence (exit 1) when it is not understood.
Options parse_options(int argc, char *argv[]);

} // namespace proxymap::bench
