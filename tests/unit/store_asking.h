// How the tests of the stores ask them: one lookup from start to answer.
#pragma once

#include "core/record.h"
#include "poll_loop.h"
#include "store/store.h"

#include <cstdint>
#include <string>
#include <vector>

namespace store_asking {

// What a lookup came to.
struct Lookup {
    bool answered = false;
    std::vector<proxymap::Answer> answers;
};

// The callback fills *lookup, which must live until then.
void start(proxymap::Store &store, Lookup *lookup, std::vector<proxymap::Key> keys,
           std::uint64_t msecs);

// Starts one and turns the loop until it is answered; no answers when it never is.
std::vector<proxymap::Answer> ask(proxymap::Store &store, Poll_loop &loop,
                                  std::vector<proxymap::Key> keys, std::uint64_t msecs = 8000);
proxymap::Answer ask_one(proxymap::Store &store, Poll_loop &loop, const proxymap::Key &key,
                         std::uint64_t msecs = 8000);

// A record as a store holds it, from a routes file's line.
proxymap::Record record(const std::string &line, const proxymap::Position &position);
std::string stored(const std::string &line, const proxymap::Position &position);

bool holds(const std::string &text, const std::string &part);

} // namespace store_asking
