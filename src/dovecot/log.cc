// Dovecot's log and events, for C++ strings; see log.h.
#include "log.h"

#include "../core/clock.h"
#include "dovecot.h"
#include "send_filter.h"

extern "C" {
#include <event-filter.h>
#include <event-log.h>
#include <str.h>
}

#include <ctime>

namespace proxymap {

namespace {

event_category category_proxymap = {nullptr, "proxymap", nullptr};

// Whether the filter for statistics holds any query. There is always such a filter, an empty one
// while no `metric { }` is configured; it is replaced as a whole when the stats process reloads.
bool filters_anything(event_filter *filter)
{
    static const event_filter *looked_at = nullptr;
    static time_t looked = 0;
    static bool anything = false;
    // The time as well, for a new filter may lie where an old one lay.
    if (filter != looked_at || ioloop_time != looked) {
        looked_at = filter;
        looked = ioloop_time;
        anything = false;
        if (filter != nullptr) {
            T_BEGIN
            {
                string_t *text = t_str_new(64);
                event_filter_export(filter, text);
                anything = str_len(text) > 0;
            }
            T_END;
        }
    }
    return anything;
}

} // namespace

void log_error(event *event, const std::string &text)
{
    e_error(event, "%s", text.c_str());
}
void log_warning(event *event, const std::string &text)
{
    e_warning(event, "%s", text.c_str());
}
void log_warning(const std::string &text)
{
    i_warning("proxymap: %s", text.c_str());
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

bool events_wanted(event *parent)
{
    return filters_anything(find_send_filter()) || event_want_debug(parent);
}

void emit_lookup_finished(event *parent, const Lookup_finished &what)
{
    std::uint64_t usecs = monotonic_us() - what.started_usecs;
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

void emit_event(event *parent, const char *name,
                std::initializer_list<std::pair<const char *, std::string>> texts,
                std::initializer_list<std::pair<const char *, std::uint64_t>> numbers)
{
    event_passthrough *passthrough = event_create_passthrough(parent);
    passthrough->set_name(name);
    passthrough->add_category(&category_proxymap);
    for (const auto &[field, value] : texts)
        passthrough->add_str(field, value.c_str());
    for (const auto &[field, value] : numbers)
        passthrough->add_int(field, static_cast<intmax_t>(value));
    e_debug(passthrough->event(), "proxymap: %s", name);
}

} // namespace proxymap
