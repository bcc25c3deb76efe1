// Reads a memcached mirror for the tool: its marker, and values under keys. Blocks.
#pragma once

#include "core/position.h"
#include "core/result.h"
#include "core/settings.h"
#include "store/memcached_connection.h"

#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace proxymap {

class Mirror_reading {
  public:
    // Errors here and below begin with the mirror's name. timeout: milliseconds, for each wait.
    static Result<std::unique_ptr<Mirror_reading>> connect(const Store_address &address,
                                                           const std::string &name_space,
                                                           std::uint32_t timeout = 5000);

    // Nothing: there is none. One that is not understood is an error.
    Result<std::optional<Marker>> marker();
    const std::string &name() const { return name_; }
    // The server evicts nothing: what it has not, it was never given or told to remove.
    bool keeps_everything() const { return connection_->keeps_everything(); }
    // Of no use any more, after an error.
    bool broken() const { return connection_->broken(); }
    // So, for the server has closed the connection, as it does when it is restarted.
    bool closed() const { return connection_->closed(); }
    // One entry a key, in their order.
    Result<Memcached_connection::Items> get(const std::vector<std::string> &keys);

  private:
    Mirror_reading(std::string name, const std::string &name_space,
                   std::unique_ptr<Memcached_connection> connection);

    std::string name_;
    std::string marker_key_;
    std::unique_ptr<Memcached_connection> connection_;
};

} // namespace proxymap
