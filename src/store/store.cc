// The newest position seen. MUST never let a mirror that lags, or one of another table, pass as
// current.
#include "store.h"

namespace proxymap {

bool Newest_position::note(const Position &position)
{
    if (!position.known()) {
        return false;
    }
    if (newest_.known() && (position.table != newest_.table || position.older_than(newest_))) {
        return false;
    }
    newest_ = position;
    return true;
}

} // namespace proxymap
