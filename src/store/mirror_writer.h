// Writes to one memcached mirror, for the tool. Blocks; every error names the mirror. What a mirror
// needs, and in which order, is decided in doveadm-proxymap/mirror_plan.h and mirror_transfer.h.
#pragma once

#include "../core/seal.h"
#include "../core/settings.h"
#include "lmdb_table.h"

#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace proxymap {

// What is written to a mirror.
class Mirror_sink {
  public:
    virtual ~Mirror_sink() = default;

    // Acknowledges all that was written before. Replaces the very item that was seen last, by
    // read_marker() or here; where there was none, there must be none still. So a server that was
    // restarted or emptied meanwhile, or a second writer, is an error.
    virtual Result<Done> write_marker(const Marker &marker) = 0;

    // Sent sooner or later, acknowledged by acknowledge() or write_marker(). key: lmdb_key(); text:
    // the record's stored text; sealed when there are seal keys.
    virtual Result<Done> put(std::string_view key, std::string_view text) = 0;
    // Old and new beside each other, as stored_value.h says; a record that was or will be absent is
    // a tombstone of that position.
    virtual Result<Done> put_versions(const Table_change &change, const Position &before,
                                      const Position &now) = 0;
    // Also what is absent. With seal keys a tombstone of that position stays, sealed. name: "user
    // john", as the record's text begins.
    virtual Result<Done> remove(std::string_view key, std::string_view name,
                                const Position &now) = 0;
    // The entry of the transaction that committed as `position`, of that text (journal.h); the one
    // that is mirror_journal_entries older goes.
    virtual Result<Done> put_entry(const Position &position, std::string_view text) = 0;
    virtual Result<Done> acknowledge() = 0;

    // flush_all: everything goes, of whomever, and with it the marker.
    virtual Result<Done> make_empty() = 0;
};

class Mirror_writer : public Mirror_sink {
  public:
    static Result<std::unique_ptr<Mirror_writer>> connect(const Store_address &address,
                                                          const std::string &name_space,
                                                          const Seal_keys &seal_keys);

    // Nothing: there is none. One that is not understood is an error: who knows what stands beside
    // it.
    virtual Result<std::optional<Marker>> read_marker() = 0;
    // Whether the server holds nothing at all, of whomever.
    virtual Result<bool> is_empty() = 0;
};

} // namespace proxymap
