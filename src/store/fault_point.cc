// See fault_point.h.
#include "fault_point.h"

#include <csignal>
#include <cstdlib>

namespace proxymap {

namespace {

// Asked for once: it is looked at for every record.
const char *wanted = std::getenv("PROXYMAP_FAULT");

} // namespace

void want_fault(const char *name)
{
    wanted = name;
}

bool fault_wanted(std::string_view name)
{
    return wanted != nullptr && wanted == name;
}

void fault_point(std::string_view name)
{
    if (fault_wanted(name))
        std::raise(SIGKILL);
}

} // namespace proxymap
