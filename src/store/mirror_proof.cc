// MUST never call a miss proven on less than the whole proof: a user who is taken for unknown may
// be given a local mailbox, or a default backend that is not his.
#include "mirror_proof.h"

namespace proxymap {

Mirror_verdict judge_mirror(const Batch &batch, bool require_seal, Map_news &news)
{
    const auto &before = batch.marker_before;
    const auto &after = batch.marker_after;
    if (batch.marker_unreadable)
        return {.unreadable = "its marker is not understood"};
    if (before && before == after && before->complete()) {
        const Journal_step anything{{}, before->position, {true, {}}};
        news.advance(batch.journal ? *batch.journal : anything);
        news.confirm(before->position, batch.asked);
    }
    for (const auto &marker : {before, after}) {
        if (!marker)
            continue;
        if (marker->state == Mirror_state::behind)
            return {.unreadable = "it is being brought up from an older content"};
        if (auto why = news.why_not_read(marker->position); !why.empty())
            return {.unreadable = std::move(why),
                    .overtaken = marker->position.table == batch.known.table &&
                                 !marker->position.older_than(batch.known)};
    }
    if (!before || !after) {
        const char *why = "it has no marker, as after a restart or before its first load";
        // Who knows since when: what it has may be older than what was seen.
        if (news.position().known())
            return {.unreadable = why};
        return {.unproven = why};
    }
    if (before != after)
        return {.unreadable = "its marker changed meanwhile", .overtaken = true};
    if (!before->complete()) {
        // What changed until then, nobody can say yet: beside what is known from before, its
        // records would be a mixture.
        if (news.position().known() && before->position != news.position())
            return {.unreadable = "it is being loaded, with a newer map"};
        return {.unproven = "it is being loaded", .as_of = before->position};
    }
    Mirror_verdict verdict{.as_of = before->position};
    if (!batch.keeps_everything)
        verdict.unproven = "it evicts records when it is full (memcached runs without -M)";
    else if (require_seal)
        verdict.unproven = "no seal can prove absence (require_seal is set)";
    return verdict;
}

} // namespace proxymap
