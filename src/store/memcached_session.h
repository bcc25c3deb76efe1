// What the helper thread does with its mirror: connects when it must, asks one batch, reads what
// came. Blocks; knows no threads.
#pragma once

#include "../core/record_memo.h"
#include "../core/stored_value.h"
#include "host_addresses.h"
#include "memcached_batch.h"
#include "memcached_connection.h"
#include "memcached_mirror.h"

#include <memory>
#include <string>
#include <vector>

namespace proxymap {

class Memcached_session {
  public:
    // config must outlive it.
    explicit Memcached_session(const Mirror_config &config);

    // Distinct keys; none at all asks for the marker alone. known: the newest position that the
    // process knows; a newer marker's journal since then comes with the batch. A connection that
    // the server had closed since the last batch is made anew, once.
    Batch ask(const std::vector<const Key *> &keys, const Position &known);

    // Writes the report, if there is one and the mirror could be asked. Not into one without a
    // marker: an empty server must stay empty until the table's host fills it. A mirror that does
    // not take it (it is full, say) is left alone with reports for a minute.
    void say(const Own_report &report);

  private:
    using Items = Memcached_connection::Items;

    Result<Items> get(const std::vector<std::string> &keys);
    Result<Done> connect();
    Slot read(const Key &key, const std::string &value, const Position *marker);
    Slot read_versions(const Key &key, const std::string &value, const Position *marker) const;
    std::string bad_seal(std::string_view seal, std::string_view signed_text) const;

    const Mirror_config &config_;
    Record_memo memo_;
    std::vector<std::string> asked_; // of the last batch: its strings have room for the next one's
    Host_addresses addresses_;
    std::string address_;                              // the one connected to
    std::unique_ptr<Memcached_connection> connection_; // null: none
    bool has_marker_ = false;                          // when it was asked last
    std::uint64_t say_nothing_before_ = 0;             // monotonic_ms()
};

} // namespace proxymap
