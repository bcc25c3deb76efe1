// See mirror_plan.h.
#include "mirror_plan.h"

#include <utility>

namespace proxymap {

namespace {

// What changed since that position, in a plan that sends it; with `all` where nobody can name it.
Result<Mirror_plan> plan_changes(Mirror_way way, const Position &since, Table &table)
{
    auto changes = table.changes_since(since);
    if (!changes)
        return changes.error();
    return Mirror_plan{way, std::move(changes->keys), changes->reset, {}};
}

// Without a marker. A server that holds things of others is no mirror's fault, but one that this
// table has written to, and that has lost its marker alone, may hold what the table has not.
Result<Mirror_plan> plan_empty(const std::string &name, Mirror_writer &writer, const Position &now,
                               bool noted)
{
    const auto empty = writer.is_empty();
    if (!empty)
        return empty.error();
    const Marker start{now, Mirror_state::loading};
    if (*empty)
        return Mirror_plan{Mirror_way::fill, {}, false, start};
    if (noted)
        return Mirror_plan{Mirror_way::refill, {}, false, start};
    // Until a promote(), whatever this table wrote was written here, and is noted here.
    if (now.epoch == 1)
        return Mirror_plan{Mirror_way::fill, {}, false, start};
    return Error{name + ": has no marker, but is not empty: if it is a mirror, restart it "
                        "first"};
}

// A mirror that is complete. Nothing is left over in one that was filled and never changed since,
// or that is noted as done up to there.
Result<Mirror_plan> plan_complete(Mirror_way way, Table &table, const Position &finished,
                                  const Position &done)
{
    const bool tidy = way == Mirror_way::tidy;
    if (!finished.known() || finished == done)
        return Mirror_plan{tidy ? Mirror_way::none : way, {}, false, {}};
    return plan_changes(way, finished, table);
}

Result<Mirror_plan> plan_from(const Marker &held, Table &table, const Position &finished)
{
    if (held.complete() && held.position == table.position())
        return plan_complete(Mirror_way::tidy, table, finished, held.position);
    // Into another epoch only where the last hand on that mirror was this host's: who wrote there
    // in the old epoch may have begun a change, and its new versions would be in force by this
    // marker.
    if (held.complete() && held.position == table.before_commit() &&
        (held.position.epoch == table.position().epoch || held.position == finished))
        return plan_complete(Mirror_way::change, table, finished, held.position);

    // Versions that an older transaction left there are in the same list, when it goes back so far.
    const bool loading = held.state == Mirror_state::loading;
    const auto way = loading ? Mirror_way::fill : Mirror_way::catch_up;
    const bool from_finished = finished.known() && finished.older_than(held.position);
    auto plan = plan_changes(way, from_finished ? finished : held.position, table);
    if (plan && plan->all && from_finished)
        plan = plan_changes(way, held.position, table);
    if (!plan)
        return plan;
    if (plan->all)
        plan->way = Mirror_way::refill;
    // The position stays that of the oldest record that may still be there.
    plan->start = {held.position, loading ? Mirror_state::loading : Mirror_state::behind};
    plan->all = false;
    return plan;
}

} // namespace

bool is_foreign(const Position &held, const Position &table)
{
    return held.table != table.table || table.older_than(held);
}

Error foreign(const std::string &name, const Position &held, const Position &table)
{
    if (held.table == table.table && held.epoch > table.epoch)
        return Error{name + ": another host is the table's host (position " +
                     format_position(held) + ", this table is at " + format_position(table) +
                     "): write there, or make this host the table's with `doveadm proxymap "
                     "promote`"};
    if (held.table == table.table)
        return Error{name + ": holds newer records of this table than this host has (position " +
                     format_position(held) + ", this table is at " + format_position(table) +
                     "): if they are to be given up, run `doveadm proxymap promote`"};
    return Error{name + ": holds records of another table (position " + format_position(held) +
                 ", this table is at " + format_position(table) +
                 "): if this table is the right one, empty the mirror first (flush_all)"};
}

Result<Mirror_plan> plan_mirror(const std::string &name, Mirror_writer &writer, Table &table,
                                const std::optional<Mirror_note> &note)
{
    const auto held = writer.read_marker();
    if (!held)
        return held.error();
    const auto now = table.position();
    if (!*held)
        return plan_empty(name, writer, now, note.has_value());
    if (is_foreign((*held)->position, now))
        return foreign(name, (*held)->position, now);
    return plan_from(**held, table, note ? note->finished : Position{});
}

Result<std::uint64_t> count_records(const Mirror_plan &plan, Table &table)
{
    std::uint64_t count = 0;
    const auto one = [&count](auto &&...) {
        count++;
        return true;
    };
    Result<Done> counted = Done{};
    if (plan.way == Mirror_way::change)
        counted = table.for_each_change(one);
    else if (plan.all || plan.way == Mirror_way::fill || plan.way == Mirror_way::refill)
        counted = table.for_each_text(one);
    else
        count = plan.keys.size();
    return counted ? Result<std::uint64_t>(count) : counted.error();
}

} // namespace proxymap
