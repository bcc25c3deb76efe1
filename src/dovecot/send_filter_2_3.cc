// See send_filter.h. Up to Dovecot 2.4.1 there is one for the process.
#include "send_filter.h"

extern "C" {
#include <lib.h>

#include <event-log.h>
}

namespace proxymap {

event_filter *find_send_filter()
{
    return event_get_global_debug_send_filter();
}

} // namespace proxymap
