// Reads the journal that stands in a mirror: which records changed between two positions.
// Blocks: for a mirror's helper thread, and for the tool.
#pragma once

#include "../core/journal.h"
#include "memcached_connection.h"

#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace proxymap {

// Asks the mirror for these keys, in one request.
using Get_items =
    std::function<Result<Memcached_connection::Items>(const std::vector<std::string> &keys)>;

// The text of the entry of just that position; first: its first part as it came, the others are
// asked for. Nothing: it is not there, or not any more, or not whole, or what stands in its place
// is the entry of another table or epoch. Error: of get.
Result<std::optional<std::string>> read_journal_entry(const Get_items &get,
                                                      const std::string &name_space,
                                                      const Position &position,
                                                      const std::optional<Memcached_item> &first);

// What changed after `from`, up to `to`, the position of a marker that this connection has shown.
// A reset where the journal cannot tell: of another table or epoch, an entry is gone or is not
// understood, or they name more than max_journal_keys. Each key may come more than once.
// Error: the connection's, which is broken then.
Result<Journal_entry> read_mirror_journal(Memcached_connection &connection,
                                          const std::string &name_space, const Position &from,
                                          const Position &to);

} // namespace proxymap
