// `doveadm proxymap watch`: the journal as it grows, from the table where there is one on this host
// and else from a mirror, until it is interrupted.
#include "common.h"

#include "mirror_journal.h"
#include "mirror_reading.h"
#include "stop_signals.h"
#include "watching.h"
#include "writing.h"

#include <cerrno>
#include <cstring>

namespace proxymap {

namespace {

constexpr std::uint64_t poll_msecs = 1000;

// What changed since a position, and the position up to which that goes.
struct News {
    Position now;
    std::vector<Shown_change> changes;
};

// since: nothing for the first look, when only the position is of interest.
Result<News> look_at(const std::optional<Position> &since, const Position &now,
                     const Entry_reader &read)
{
    if (!since)
        return News{now, {}};
    auto changes = changes_between(*since, now, read);
    return changes ? Result<News>(News{now, std::move(*changes)}) : changes.error();
}

// Opened anew each time: another file may be in its place.
Result<News> look_at_table(const Settings &settings, const std::optional<Position> &since)
{
    const auto table = open_table(settings, Table::Mode::read);
    if (!table)
        return table.error();
    return look_at(since, (*table)->position(),
                   [&table](const Position &at) { return (*table)->journal_text(at); });
}

// The complete mirror of the newest position.
Result<News> look_at_mirrors(const Settings &settings, const std::optional<Position> &since)
{
    std::unique_ptr<Mirror_reading> best;
    Position newest;
    std::string why;
    for (const Store_address &address : settings.stores) {
        if (address.type != Store_address::Type::memcached)
            continue;
        auto reading = Mirror_reading::connect(address, settings.name_space);
        const auto marker =
            reading ? (*reading)->marker() : Result<std::optional<Marker>>(reading.error());
        if (!marker || !*marker || !(*marker)->complete()) {
            why += (why.empty() ? "" : "; ") +
                   (marker ? address.text() + ": it is not complete" : marker.error().message);
        } else if (!best || newest.older_than((*marker)->position)) {
            best = std::move(*reading);
            newest = (*marker)->position;
        }
    }
    if (!best)
        return Error{why.empty() ? "there is no table on this host, and the setting stores names "
                                   "no mirror"
                                 : why};
    return look_at(since, newest, [&](const Position &at) {
        return read_mirror_entry(*best, settings.name_space, at);
    });
}

Result<News> look(const Settings &settings, const std::optional<Position> &since)
{
    return table_is_absent(settings) ? look_at_mirrors(settings, since)
                                     : look_at_table(settings, since);
}

// False: nobody reads it.
bool show(Rows &rows, const std::vector<Shown_change> &changes)
{
    for (const Shown_change &change : changes)
        rows.add({format_position(change.position), format_time(change.time),
                  change.reset ? "reset" : to_string(change.key.kind),
                  change.reset ? "" : std::string_view(change.key.name)});
    return rows.show();
}

int watch(const Settings &settings, std::optional<Position> since, bool once)
{
    const Stop_signals stop;
    Rows rows("tab", {"position", "time", "kind", "name"});
    std::string last_why;
    if (once && !since)
        since.emplace(); // all that there is
    for (;;) {
        const auto news = look(settings, since);
        if (!news && once)
            return fail(exit_try_again, news.error().message);
        if (!news && news.error().message != last_why)
            report_error(news.error().message);
        last_why = news ? "" : news.error().message;
        if (news && !show(rows, news->changes))
            return fail(exit_output_failed, std::string("writing failed: ") + strerror(errno));
        if (news)
            since = news->now;
        if (once || stop.wait(poll_msecs))
            return 0;
    }
}

int run_watch(const Arguments &arguments)
{
    std::optional<Position> since;
    if (const std::optional<std::string> word = arguments.text("from")) {
        since = parse_position(*word);
        if (!since || !since->known())
            return fail(exit_usage, "'" + *word +
                                        "' is no position; write it as status shows it, "
                                        "<16 hex digits>.<epoch>.<sequence>");
    }
    const std::optional<Configuration> configuration = configuration_of(arguments);
    if (!configuration)
        return exit_bad_config;
    return watch(configuration->settings, since, arguments.has("once"));
}

} // namespace

const Command watch_command = {
    .name = "proxymap watch",
    .usage = "[--config <settings file>] [--from <position>] [--once]",
    .parameters = {{"config", Parameter::Type::option},
                   {"from", Parameter::Type::option},
                   {"once", Parameter::Type::flag}},
    .run = run_watch,
};

} // namespace proxymap
