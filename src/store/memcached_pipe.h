// One connection to one memcached server for whoever writes a whole map: commands go out many at a
// time, and every one of them is acknowledged by its own reply. (libmemcached waits for each reply,
// or asks for none.)
//
// Never connects again by itself: all that was acknowledged stands in one run of one server. Used
// up by its first error. Blocks; for the tool, not for auth.
#pragma once

#include "../core/result.h"
#include "memcached_connection.h"
#include "memcached_socket.h"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace proxymap {

class Memcached_pipe {
    struct Private {};

  public:
    // timeout: milliseconds, for connecting and for each wait.
    static Result<std::unique_ptr<Memcached_pipe>> open(const Memcached_endpoint &endpoint,
                                                        std::uint32_t timeout);

    Memcached_pipe(Private, std::unique_ptr<Memcached_socket> socket) : socket_(std::move(socket))
    {
    }

    // Sent sooner or later; an error may be that of an earlier command, and names that one's key.
    // keys: as encode_key() makes them. Removing what is absent is no error.
    Result<Done> set(std::string_view key, std::string_view value);
    Result<Done> remove(std::string_view key);
    // As set(), but a server without room keeps the old value: by `set` it would throw that away,
    // and what it does not have could be taken for what does not exist.
    Result<Done> overwrite(std::string_view key, std::string_view value);
    // Everything so far is acknowledged.
    Result<Done> flush();

    // These flush first, and wait. Nothing: absent.
    Result<std::optional<Memcached_item>> get(const std::string &key);
    // Only when there is none. Error: there is one.
    Result<Done> add(const std::string &key, const std::string &value);
    // Only the item of just this cas.
    Result<Done> replace(const std::string &key, const std::string &value, std::uint64_t cas);
    // How many items the server holds, whosesoever.
    Result<std::uint64_t> item_count();
    // Throws every item away. For up to a second the server may throw away what is written, too.
    Result<Done> flush_all();

  private:
    enum class Verb : std::uint8_t { set, replace, add, remove };
    // Commands that go out by one send(), and where in them each begins.
    struct Batch {
        struct Command {
            std::size_t start;
            Verb verb;
        };
        std::string text;
        std::vector<Command> commands;
    };

    static std::string_view word(Verb verb);
    Result<Done> store(Verb verb, std::string_view key, std::string_view value);
    void add_instead(std::size_t command);
    Result<Done> send_batch();
    Result<Done> take_replies();
    Error refused(std::string_view reply, const Batch::Command &command);
    Result<std::string> ask(const std::string &command);
    Result<Done> ask_to_store(const std::string &command);

    std::unique_ptr<Memcached_socket> socket_;
    Batch next_; // being gathered
    Batch sent_; // replies are still to come
};

} // namespace proxymap
