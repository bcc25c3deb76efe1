// TLS sessions that can be resumed: those of one policy, in one login process, in memory alone.
//
// Must never hand out a session for another destination than it came from, nor one whose
// certificate was verified longer ago than the policy allows. Whether a session may be kept at all
// is for backend_tls.h to say; nothing here looks at certificates.
#pragma once

#include "openssl_ptr.h"

#include <cstddef>
#include <cstdint>
#include <ctime>
#include <list>
#include <string>
#include <unordered_map>
#include <vector>

namespace proxymap {

struct Tls_time {
    std::uint64_t monotonic_ms = 0;
    std::time_t wall = 0;
};

// The full handshake at the root of a session. A session that came from resuming another one
// inherits it: resuming proves nothing anew, so it must not make anything younger.
struct Verification {
    std::uint64_t at_ms = 0;     // monotonic
    std::time_t valid_until = 0; // wall clock: the earliest end of what it rests on
};

class Tls_sessions {
  public:
    // max_age in ms since the verification.
    Tls_sessions(std::uint64_t max_age, std::size_t max_count);

    // A destination is whatever tells backends apart: equal strings share their sessions. Ignored
    // for a destination that refuses. Beyond max_count the least recently used one goes.
    void add(const std::string &destination, Session_ptr session, const Verification &verification,
             const Tls_time &now);

    struct Kept {
        Session_ptr session; // null: none
        Verification verification;
    };
    // A session of TLS 1.3 is taken out for good: used twice it would let an observer link both
    // connections (RFC 8446, C.4). One of TLS 1.2 stays.
    Kept take(const std::string &destination, const Tls_time &now);

    // What is kept for the destination goes.
    void forget(const std::string &destination);

    // The destination failed when a session was offered. What is kept for it goes, and for max_age
    // nothing is kept for it.
    void refuse(const std::string &destination, const Tls_time &now);

    std::size_t size() const { return sessions_.size(); }

  private:
    struct Entry {
        std::string destination;
        Session_ptr session;
        Verification verification;
    };
    using Entries = std::list<Entry>;

    bool is_usable(const Entry &entry, const Tls_time &now) const;
    bool is_refused_by(const std::string &destination, const Tls_time &now);
    void remove(Entries::iterator entry);

    std::uint64_t max_age_;
    std::size_t max_count_;
    Entries sessions_; // the most recently used first
    std::unordered_map<std::string, std::vector<Entries::iterator>> of_destination_; // newest last
    std::unordered_map<std::string, std::uint64_t> refusing_until_;                  // monotonic ms
};

} // namespace proxymap
