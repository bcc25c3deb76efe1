// A small memcached in a thread of its own, which lies when told to: the servers that the mirror
// must survive. Speaks as much of the ASCII protocol as libmemcached asks for.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

class Fake_memcached {
  public:
    // What it does with a `get`.
    enum class Manner : std::uint8_t {
        honest,
        silent,             // never answers
        held,               // answers when released
        garbage,            // no memcached speaks so
        error,              // "ERROR", as to an unknown command
        other_key,          // another key's item, under that key's own name
        first_marker_only,  // whatever was asked twice comes once, before the others
        second_marker_only, // or after them
        repeats,            // each item twice
        partial,            // half of the reply, then it closes
        huge_length,        // an item that claims to be a gigabyte long
        negative_length,    // or 2^64 - 1 bytes
        long_key,           // an item with a key longer than any key
        version_in_between, // an answer to another question first
        closes,             // instead of answering
    };
    // What it does with a connection.
    enum class Door : std::uint8_t {
        open,
        slammed, // accepts and closes at once
        deaf,    // accepts and never reads
    };

    // Listens on 127.0.0.1, on a free port, with evictions off.
    Fake_memcached();
    ~Fake_memcached();
    Fake_memcached(const Fake_memcached &) = delete;
    Fake_memcached &operator=(const Fake_memcached &) = delete;

    std::uint16_t port() const;

    // All of these take effect for the next request.
    void set_item(const std::string &key, const std::string &value);
    void remove_item(const std::string &key);
    void clear();
    void set_evictions(bool on);
    void set_full(bool on); // refuses every set
    void behave(Manner manner);
    void set_door(Door door);
    // The second copy of whatever is asked for twice (the marker) has this value.
    void set_second_marker(const std::string &value);
    // Answers what it holds back.
    void release();

    // Closes all connections and stops listening; afterwards listens on the same port again.
    void stop();
    void start();
    // Closes all connections as an idle timeout does, but goes on listening.
    void drop_connections();

    std::string item(const std::string &key) const; // empty: absent
    unsigned connections() const;                   // accepted so far
    std::vector<std::string> commands() const;      // all lines so far, without line ends
    unsigned gets() const;                          // those that were `get` or `gets`

  private:
    struct State;
    std::unique_ptr<State> state_;
};
