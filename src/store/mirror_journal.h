// Reads the journal that stands in a mirror: which records changed between two positions.
// Blocks: for a mirror's helper thread, and for the tool.
#pragma once

#include "../core/journal.h"
#include "memcached_connection.h"

#include <string>

namespace proxymap {

// What changed after `from`, up to `to`, the position of a marker that this connection has shown.
// A reset where the journal cannot tell: of another table or epoch, an entry is gone or is not
// understood, or they name more than max_journal_keys. Each key may come more than once.
// Error: the connection's, which is broken then.
Result<Journal_entry> read_mirror_journal(Memcached_connection &connection,
                                          const std::string &name_space, const Position &from,
                                          const Position &to);

} // namespace proxymap
