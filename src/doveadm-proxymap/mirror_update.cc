// See mirror_update.h.
#include "mirror_update.h"

#include "mirror_group.h"
#include "mirror_reading.h"
#include "mirror_transfer.h"

#include "store/lmdb_layout.h"

#include <algorithm>
#include <functional>
#include <memory>

namespace proxymap {

namespace {

struct Mirror {
    std::unique_ptr<Mirror_writer> writer; // null: it could not be reached
    std::optional<Mirror_note> note;
    Mirror_plan plan;
    Mirror_report report;
    bool done = false; // nothing, or nothing more, is to be done

    void fail(const Error &error)
    {
        report.error = error;
        done = true;
    }
};

// Connected, and planned.
Result<Mirror> make_mirror(const Configuration &configuration, const Store_address &address,
                           Table &table)
{
    Mirror mirror;
    mirror.report.mirror = address.text();
    const auto note = table.mirror_note(mirror.report.mirror);
    if (!note)
        return note.error();
    mirror.note = *note;
    auto writer =
        Mirror_writer::connect(address, configuration.settings.name_space, configuration.seal_keys);
    if (!writer) {
        mirror.fail(writer.error());
        return mirror;
    }
    mirror.writer = std::move(*writer);
    auto plan = plan_mirror(mirror.report.mirror, *mirror.writer, table, mirror.note);
    if (!plan) {
        mirror.fail(plan.error());
        return mirror;
    }
    mirror.plan = std::move(*plan);
    mirror.report.way = mirror.plan.way;
    return mirror;
}

// Those that need just the same are sent it together.
void carry_out_together(const std::vector<Mirror *> &mirrors, Table &table)
{
    std::string names;
    std::vector<Mirror_sink *> sinks;
    for (const Mirror *mirror : mirrors) {
        names += (names.empty() ? "" : ", ") + mirror->report.mirror;
        sinks.push_back(mirror->writer.get());
    }
    Mirror_group group(sinks);
    const auto sent = carry_out(mirrors.front()->plan, names, group, table);
    for (std::size_t i = 0; i < mirrors.size(); ++i) {
        Mirror &mirror = *mirrors[i];
        mirror.done = true;
        if (group.error(i))
            mirror.fail(*group.error(i));
        else if (!sent)
            mirror.fail(sent.error()); // the table's
        else
            mirror.report.records = *sent;
    }
}

Result<Done> carry_out_all(std::vector<Mirror> &mirrors, Table &table)
{
    // From now on, what such a server holds may be this table's.
    std::vector<Mirror_note> first;
    for (const Mirror &mirror : mirrors) {
        if (!mirror.done && !mirror.note && mirror.plan.way != Mirror_way::none)
            first.push_back({mirror.report.mirror, Position{}});
    }
    if (!first.empty()) {
        if (auto noted = table.note_mirrors(first); !noted)
            return noted;
    }
    for (const Mirror &mirror : mirrors) {
        if (mirror.done)
            continue;
        std::vector<Mirror *> together;
        for (Mirror &other : mirrors) {
            if (!other.done && other.plan == mirror.plan)
                together.push_back(&other);
        }
        carry_out_together(together, table);
    }
    return Done{};
}

void count(std::vector<Mirror> &mirrors, Table &table)
{
    for (Mirror &mirror : mirrors) {
        if (mirror.done)
            continue;
        const auto records = count_records(mirror.plan, table);
        if (records)
            mirror.report.records = *records;
        else
            mirror.fail(records.error());
    }
}

// The error: of the first mirror for whose position that is true. One that is down says nothing.
Result<Done> no_mirror_is(const Configuration &configuration,
                          const std::function<bool(const Position &)> &refused,
                          const Position &table)
{
    for (const auto &address : configuration.settings.stores) {
        if (address.type != Store_address::Type::memcached)
            continue;
        const auto reading = Mirror_reading::connect(address, configuration.settings.name_space);
        if (!reading)
            continue;
        const auto held = (*reading)->marker();
        if (held && *held && refused((*held)->position))
            return foreign(address.text(), (*held)->position, table);
    }
    return Done{};
}

std::string in_words(std::uint64_t count)
{
    return std::to_string(count) + (count == 1 ? " record" : " records");
}

std::string describe(Mirror_way way, std::uint64_t count, bool dry_run)
{
    std::string what = in_words(count) + (dry_run ? " to send" : " sent");
    switch (way) {
    case Mirror_way::none:
        return "current";
    case Mirror_way::tidy:
        return what + " (it was current, an update had not ended)";
    case Mirror_way::change:
        return what;
    case Mirror_way::catch_up:
        return what + " (it was behind)";
    case Mirror_way::fill:
        return what + " (the whole table)";
    case Mirror_way::refill:
        return what + (dry_run ? " (the whole table, after emptying it)"
                               : " (the whole table; it was emptied first)");
    }
    return what;
}

} // namespace

Result<std::vector<Mirror_report>> update_mirrors(const Configuration &configuration, Table &table,
                                                  bool dry_run)
{
    const auto &settings = configuration.settings;
    if (auto own = must_not_follow(settings, table); !own)
        return own.error();
    const auto now = table.position();
    // An empty map would be in force there, and everybody unknown.
    if (!now.written())
        return Error{settings.table +
                     ": the table was created, but nothing was ever written to it: "
                     "no mirror is touched"};
    std::vector<Mirror> mirrors;
    for (const auto &address : settings.stores) {
        if (address.type != Store_address::Type::memcached)
            continue;
        auto mirror = make_mirror(configuration, address, table);
        if (!mirror)
            return mirror.error();
        mirrors.push_back(std::move(*mirror));
    }
    if (dry_run)
        count(mirrors, table);
    else if (auto done = carry_out_all(mirrors, table); !done)
        return done.error();

    std::vector<Mirror_report> reports;
    std::vector<Mirror_note> finished;
    for (auto &[writer, note, plan, report, done] : mirrors) {
        if (!report.error) {
            report.done = describe(report.way, report.records, dry_run);
            if (!note || note->finished != now)
                finished.push_back({report.mirror, now});
        }
        reports.push_back(std::move(report));
    }
    // Once for all of them: each costs the disk a write.
    if (!dry_run && !finished.empty()) {
        if (const auto noted = table.note_mirrors(finished); !noted)
            return noted.error();
    }
    return reports;
}

Result<Done> must_not_follow(const Settings &settings, Table &table)
{
    const auto follows = table.follows();
    if (!follows)
        return follows.error();
    if (*follows)
        return follower_error(settings.table);
    return Done{};
}

Result<Done> may_write(const Configuration &configuration, const Position &table)
{
    return no_mirror_is(
        configuration, [&](const Position &held) { return is_foreign(held, table); }, table);
}

Result<Done> may_update(const Configuration &configuration, Table &table)
{
    if (auto own = must_not_follow(configuration.settings, table); !own)
        return own;
    const auto now = table.position();
    return no_mirror_is(
        configuration,
        [&](const Position &held) { return held.table == now.table && is_foreign(held, now); },
        now);
}

} // namespace proxymap
