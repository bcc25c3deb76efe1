// MUST never call a miss proven on less than the whole proof: a user who is taken for unknown may
// be given a local mailbox, or a default backend that is not his.
#include "mirror_proof.h"

namespace proxymap {

namespace {

// Empty when it is not.
std::string why_behind(const Position &position, const Position &newest)
{
    if (!newest.known()) {
        return {};
    }
    const bool other_table = position.table != newest.table;
    if (!other_table && !position.older_than(newest)) {
        return {};
    }
    return std::string(other_table ? "it holds another table" : "it is behind") +
           " (its marker is at " + format_position(position) + ", the newest seen at " +
           format_position(newest) + ")";
}

} // namespace

Mirror_verdict judge_mirror(const Batch &batch, bool require_seal, Newest_position &newest)
{
    if (batch.marker_unreadable) {
        return {"its marker is not understood", {}};
    }
    for (const auto &marker : {batch.marker_before, batch.marker_after}) {
        if (marker) {
            if (marker->state == Mirror_state::behind) {
                return {"it is being brought up from an older content", {}};
            }
            if (auto why = why_behind(marker->position, newest.get()); !why.empty()) {
                return {std::move(why), {}};
            }
        }
    }
    if (!batch.marker_before || !batch.marker_after) {
        return {{}, "it has no marker, as after a restart or before its first load"};
    }
    if (*batch.marker_before != *batch.marker_after) {
        return {{}, "its marker changed meanwhile"};
    }
    if (!batch.marker_before->complete()) {
        return {{}, "it is being loaded"};
    }
    if (!newest.note(batch.marker_before->position)) {
        return {"its marker is at no known position", {}};
    }
    if (!batch.keeps_everything) {
        return {{}, "it evicts records when it is full (memcached runs without -M)"};
    }
    if (require_seal) {
        return {{}, "no seal can prove absence (require_seal is set)"};
    }
    return {};
}

} // namespace proxymap
