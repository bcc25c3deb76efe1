// Dovecot's log and events, for C++ strings; see log.h.
#include "log.h"

#include "dovecot.h"

extern "C" {
#include <event-log.h>
}

#include <ctime>

namespace proxymap {

namespace {

event_category category_proxymap = {nullptr, "proxymap", nullptr};

} // namespace

void log_error(event *event, const std::string &text)
{
    e_error(event, "%s", text.c_str());
}
void log_warning(event *event, const std::string &text)
{
    e_warning(event, "%s", text.c_str());
}
void log_info(event *event, const std::string &text)
{
    e_info(event, "%s", text.c_str());
}
bool wants_debug(event *event)
{
    return event_want_debug(event);
}
void log_debug(event *event, const std::string &text)
{
    e_debug(event, "%s", text.c_str());
}

std::uint64_t event_clock_usecs()
{
    timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000U +
           static_cast<std::uint64_t>(now.tv_nsec) / 1000U;
}

bool events_wanted(event *parent)
{
    return event_get_global_debug_send_filter() != nullptr || event_want_debug(parent);
}

void emit_lookup_finished(event *parent, const Lookup_finished &what)
{
    std::uint64_t usecs = event_clock_usecs() - what.started_usecs;
    event_passthrough *passthrough = event_create_passthrough(parent);
    passthrough->set_name("proxymap_lookup_finished");
    passthrough->add_category(&category_proxymap);
    passthrough->add_str("store", std::string(what.store).c_str());
    passthrough->add_str("outcome", std::string(what.outcome).c_str());
    passthrough->add_str("cache", std::string(what.cache).c_str());
    passthrough->add_int("lookup_usecs", static_cast<intmax_t>(usecs));
    e_debug(passthrough->event(), "proxymap: lookup finished: %s (cache %s, %llu us)",
            std::string(what.outcome).c_str(), std::string(what.cache).c_str(),
            static_cast<unsigned long long>(usecs));
}

} // namespace proxymap
