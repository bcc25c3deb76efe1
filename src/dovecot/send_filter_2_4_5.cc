// See send_filter.h. Dovecot 2.4.5 has a list of them that nobody can ask for; that of the stats
// process is known by name.
#include "send_filter.h"

// In stats-client.c, and in no header. A Dovecot without it refuses the module.
extern "C" event_filter **stats_event_filter;

namespace proxymap {

event_filter *find_send_filter()
{
    return stats_event_filter == nullptr ? nullptr : *stats_event_filter;
}

} // namespace proxymap
