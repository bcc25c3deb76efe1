// Dovecot's log and events, for C++ strings.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>

struct event;

namespace proxymap {

void log_error(event *event, const std::string &text);
void log_warning(event *event, const std::string &text);
void log_info(event *event, const std::string &text);
void log_warning(const std::string &text); // that belongs to no event: "proxymap: text"
bool wants_debug(event *event);
void log_debug(event *event, const std::string &text);

// The event `proxymap_lookup_finished` under the category `proxymap`: for metric { } blocks and
// OpenMetrics. Costs nothing but a pointer check while nobody listens.
struct Lookup_finished {
    std::string_view store;      // which store answered, "cache" for none
    std::string_view outcome;    // found missing unavailable
    std::string_view cache;      // hit stale miss
    std::uint64_t started_usecs; // monotonic_us()
};
bool events_wanted(event *parent);
void emit_lookup_finished(event *parent, const Lookup_finished &what);

// Any other event of ours, under the same category; its name is that of the debug line too.
void emit_event(event *parent, const char *name,
                std::initializer_list<std::pair<const char *, std::string>> texts,
                std::initializer_list<std::pair<const char *, std::uint64_t>> numbers);

} // namespace proxymap
