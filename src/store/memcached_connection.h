// One connection to one memcached server, and every trap of libmemcached that we know.
//
// libmemcached connects again by itself whenever it finds its socket closed: between two commands,
// even between two keys of one command. What was learned of the old server (that it evicts nothing)
// must never be believed of the new one. So a connection here is used up by its first error:
// broken() stays true, and the owner makes a new one. Whether libmemcached has changed its socket
// is seen by the server's version, which it forgets when it closes one, and which we ask for once.
//
// Blocks; never used by the loop's thread. Not thread-safe.
#pragma once

#include "../core/result.h"

#include <cstdint>
#include <libmemcached/memcached.h>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace proxymap {

struct Memcached_endpoint {
    std::string host;       // numeric; empty for a unix socket
    std::uint16_t port = 0; // with host
    std::string path;       // unix socket
};

struct Memcached_item {
    std::string value;
    std::uint64_t cas = 0; // only for a writer
};

class Memcached_connection {
    struct Private {};

  public:
    // writer: set() and remove() do not wait for the server, and items come with their cas.
    enum class Use : std::uint8_t { reader, writer };

    // Connects, and reads from `stats settings` whether the server evicts.
    // timeout: milliseconds, for connecting and for each wait.
    static Result<std::unique_ptr<Memcached_connection>> open(const Memcached_endpoint &endpoint,
                                                              std::uint32_t timeout, Use use);

    Memcached_connection(Private, std::uint32_t timeout, Use use); // only for open()
    ~Memcached_connection();
    Memcached_connection(const Memcached_connection &) = delete;
    Memcached_connection &operator=(const Memcached_connection &) = delete;

    // The server runs with -M: it refuses what does not fit, and drops nothing to make room.
    bool keeps_everything() const { return keeps_everything_; }

    // After an error: of no use any more. closed(): because the server had closed it, which is
    // no fault of a server that was restarted or that closes what is idle.
    bool broken() const { return broken_; }
    bool closed() const { return closed_; }

    // One multi-get; the answer has one entry a key, in the order of the keys. A key may be asked
    // for twice and then comes twice. The reply must hold nothing but those keys in that order,
    // and end as the protocol says; anything else is an error.
    // keys: as encode_key() makes them, at least one.
    using Items = std::vector<std::optional<Memcached_item>>;
    Result<Items> get(const std::vector<std::string> &keys);

    // A reader's are acknowledged. A writer's are only sent: whether the server took them is known
    // by get() alone. A key that is not there is removed already.
    Result<Done> set(const std::string &key, const std::string &value);
    Result<Done> remove(const std::string &key);
    // For a writer: acknowledged. `cas`: of the item as get() brought it; it must still be so.
    Result<Done> replace(const std::string &key, const std::string &value, std::uint64_t cas);

  private:
    Result<Done> configure(const Memcached_endpoint &endpoint);
    void expect_replies(bool yes);
    Result<Done> read_settings();
    bool same_socket();
    Error fail(std::string_view doing, memcached_return_t code);
    Error odd(const std::string &what);

    memcached_st handle_;
    std::uint32_t timeout_;
    Use use_;
    bool keeps_everything_ = false;
    bool broken_ = false;
    bool closed_ = false;
};

} // namespace proxymap
