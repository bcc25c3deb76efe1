// See following.h.
#include "following.h"

#include "follow_step.h"
#include "table_lock.h"

#include "core/clock.h"

#include <utility>

namespace proxymap {

namespace {

// What a mirror that hangs may cost in one poll, and how long it is left alone then: together well
// below the time for which a replica proves a miss.
constexpr std::uint32_t timeout_msecs = 1000;
constexpr std::uint64_t pause_msecs = 5000;

constexpr std::string_view export_needed =
    ": make a fresh export on the table's host and hand it to `doveadm proxymap follow --init`";

} // namespace

Following::Following(const Configuration &configuration, Replica &replica, std::string folder)
    : configuration_(configuration), replica_(replica), folder_(std::move(folder))
{
    for (const Store_address &address : configuration.settings.stores) {
        if (address.type == Store_address::Type::memcached)
            mirrors_.push_back({address, nullptr, {}, {}, 0});
    }
}

// A connection that the server has closed since the last poll gets a second chance; a server that
// hangs is left alone for a while, for the others are waiting.
Result<Done> Following::look(Mirror &mirror) const
{
    mirror.marker.reset();
    const std::uint64_t start = monotonic_ms();
    if (start < mirror.next_try)
        return *mirror.error;
    auto marker = read_marker(mirror);
    if (!marker && mirror.reading && mirror.reading->closed())
        marker = read_marker(mirror);
    if (!marker) {
        if (const std::uint64_t now = monotonic_ms(); now - start >= timeout_msecs)
            mirror.next_try = now + pause_msecs;
        mirror.error = marker.error();
        return marker.error();
    }
    mirror.marker = *marker;
    return Done{};
}

Result<std::optional<Marker>> Following::read_marker(Mirror &mirror) const
{
    if (!mirror.reading || mirror.reading->broken()) {
        mirror.reading.reset();
        auto reading = Mirror_reading::connect(mirror.address, configuration_.settings.name_space,
                                               timeout_msecs);
        if (!reading)
            return reading.error();
        mirror.reading = std::move(*reading);
    }
    return mirror.reading->marker();
}

Follow_report Following::poll()
{
    Follow_report report;
    const auto state = replica_.state();
    if (!state) {
        report.why = state.error().message;
        return report;
    }
    report.position = state->position;
    if (!state->position.known()) {
        report.state = Follow_state::needs_export;
        report.why = folder_ + ": there is no replica on this host" + std::string(export_needed);
        return report;
    }
    if (!state->follows) {
        report.state = Follow_state::own_table;
        report.why = folder_ + ": this host's table is its own, and follows nobody";
        return report;
    }

    const auto newest = newest_position(state->position, &report);
    if (!newest)
        return report;
    if (*newest == state->position) {
        report.state = Follow_state::current;
        report.why.clear();
    } else if (newest->older_than(state->position)) {
        report.why = "the mirrors are behind this replica: the newest is at position " +
                     format_position(*newest) + ", this replica at " +
                     format_position(state->position);
    } else {
        return step(state->position, *newest);
    }
    return report;
}

// Of the mirrors that are complete. Nothing: there is none of the replica's table, and the report
// says why.
std::optional<Position> Following::newest_position(const Position &own, Follow_report *report)
{
    std::optional<Position> newest;
    std::string foreign;
    const auto add_why = [report](const std::string &why) {
        report->why += (report->why.empty() ? "" : "; ") + why;
    };
    for (Mirror &mirror : mirrors_) {
        const auto looked = look(mirror);
        const auto &marker = mirror.marker;
        if (!looked) {
            add_why(looked.error().message);
        } else if (!marker || !marker->complete()) {
            add_why(mirror.address.text() +
                    (marker ? ": it is being filled" : ": it has no marker"));
        } else if (marker->position.table != own.table) {
            foreign = mirror.address.text() + ": holds another table (position " +
                      format_position(marker->position) + ", this replica is at " +
                      format_position(own) + ")";
        } else if (!newest || newest->older_than(marker->position)) {
            newest = marker->position;
        }
    }
    if (newest)
        return newest;
    // Where others cannot be asked, they may hold this one.
    if (!foreign.empty() && report->why.empty()) {
        report->state = Follow_state::needs_export;
        report->why = foreign + std::string(export_needed);
    } else if (!foreign.empty()) {
        add_why(foreign);
    } else if (report->why.empty()) {
        report->why = "the setting stores names no mirror";
    }
    return std::nullopt;
}

// Each mirror at the newest position is tried: one may know what another has forgotten.
Follow_report Following::step(const Position &from, const Position &to)
{
    Follow_report report;
    report.position = from;
    if (from.epoch != to.epoch) {
        report.state = Follow_state::needs_export;
        report.why = "the table has another host since position " + format_position(from) +
                     " (the map is at " + format_position(to) + ")" + std::string(export_needed);
        return report;
    }
    const auto lock = Table_lock::take(folder_);
    if (!lock) {
        report.why = lock.error().message;
        return report;
    }
    for (Mirror &mirror : mirrors_) {
        if (!mirror.marker || !mirror.marker->complete() || mirror.marker->position != to)
            continue;
        const auto led = take(*mirror.reading, &report);
        if (led && *led)
            return report;
        if (!led)
            report.why += (report.why.empty() ? "" : "; ") + led.error().message;
    }
    if (report.why.empty()) {
        report.state = Follow_state::needs_export;
        report.why = "the journal does not say what changed between position " +
                     format_position(from) + " and " + format_position(to) +
                     std::string(export_needed);
    }
    return report;
}

// False: that mirror's journal does not lead there. The report is that of the end of it all.
Result<bool> Following::take(Mirror_reading &mirror, Follow_report *report)
{
    if (auto begun = replica_.begin(); !begun)
        return begun.error();
    const auto abort_by = [this](const Error &error) {
        replica_.abort();
        return error;
    };
    const auto state = replica_.state();
    if (!state)
        return abort_by(state.error());
    if (!state->follows || state->position != report->position)
        return abort_by(Error{folder_ + ": it was changed meanwhile"});
    Follow_step step(configuration_, mirror, replica_, report->position);
    const auto led = step.take();
    if (!led)
        return abort_by(led.error());
    if (!*led) {
        replica_.abort();
        return false;
    }
    if (auto done = replica_.commit(step.position()); !done)
        return done.error();
    *report = {Follow_state::current, step.position(), step.records(), {}};
    return true;
}

} // namespace proxymap
