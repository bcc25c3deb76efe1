// Starts the threads that wait in the place of the loop's own thread.
#pragma once

#include "../core/result.h"

#include <functional>

namespace proxymap {

// Runs body in a thread of its own with a 256 KB stack and all signals blocked, so that no signal
// of Dovecot's is ever handled there. The thread is detached: nobody waits for it, so whatever
// body uses must be its own or shared. body must not throw and must not call Dovecot.
// Error: the system's reason.
Result<Done> start_helper_thread(std::function<void()> body);

} // namespace proxymap
