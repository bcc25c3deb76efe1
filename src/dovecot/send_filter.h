// Which events Dovecot's stats process wants to hear of, as its releases name it.
#pragma once

struct event_filter;

namespace proxymap {

// Null: none yet. It is replaced as a whole when the stats process reloads.
event_filter *find_send_filter();

} // namespace proxymap
