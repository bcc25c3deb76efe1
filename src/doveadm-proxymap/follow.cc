// `doveadm proxymap follow`: keeps this host's replica equal to the fleet's map, for as long as it
// runs; or looks once. Quiet: a line when something changes for the admin, none for each poll.
#include "common.h"

#include "follow_init.h"
#include "following.h"
#include "stop_signals.h"
#include "writing.h"

#include "store/poll_note.h"

#include <charconv>
#include <cstdio>

namespace proxymap {

namespace {

constexpr std::uint64_t max_interval = 5; // seconds; half of what a replica proves a miss for

// The replica, its followers and the note; all of them anew where the files were replaced.
class Follow {
  public:
    explicit Follow(const Configuration &configuration) : configuration_(configuration) {}

    Follow_report poll()
    {
        const Poll_clocks start = poll_clocks();
        Follow_report report;
        if (const auto ready = make_ready(); !ready) {
            report.why = ready.error().message;
            return report;
        }
        report = following_->poll();
        if (report.state != Follow_state::current)
            return report;
        if (const auto written = note_->write(start); !written) {
            report.state = Follow_state::behind;
            report.why = written.error().message;
        }
        return report;
    }

  private:
    Result<Done> make_ready()
    {
        if (replica_ && !replica_->replaced())
            return Done{};
        following_.reset();
        replica_.reset();
        const Settings &settings = configuration_.settings;
        if (table_is_absent(settings))
            return Error{settings.table + ": there is no replica on this host any more"};
        auto replica = Replica::open(table_config(settings));
        if (!replica)
            return replica.error();
        auto note = Poll_note::open(settings.table);
        if (!note)
            return note.error();
        replica_ = std::move(*replica);
        note_.emplace(std::move(*note));
        following_.emplace(configuration_, *replica_, settings.table);
        return Done{};
    }

    const Configuration &configuration_;
    std::unique_ptr<Replica> replica_;
    std::optional<Poll_note> note_;
    std::optional<Following> following_;
};

// How the command ends by a report. Nothing: it goes on.
std::optional<int> end_of(const Follow_report &report, bool once)
{
    switch (report.state) {
    case Follow_state::needs_export:
        return exit_no_input;
    case Follow_state::own_table:
        return exit_bad_data;
    case Follow_state::current:
        return once ? std::optional(0) : std::nullopt;
    case Follow_state::behind:
        return once ? std::optional(exit_try_again) : std::nullopt;
    }
    return exit_try_again;
}

void print_current(const Settings &settings, const Follow_report &report)
{
    std::printf("%s: current at position %s (%llu record%s taken over)\n", settings.table.c_str(),
                format_position(report.position).c_str(),
                static_cast<unsigned long long>(report.records), report.records == 1 ? "" : "s");
    std::fflush(stdout);
}

int follow(const Configuration &configuration, bool once, std::uint64_t interval)
{
    const Stop_signals stop;
    Follow follow(configuration);
    std::string last_why = "nothing was said yet";
    bool was_current = false;
    for (;;) {
        const Follow_report report = follow.poll();
        const std::optional<int> end = end_of(report, once);
        // Promoted while it was followed: what had to be done is done.
        if (report.state == Follow_state::own_table && was_current) {
            std::printf("%s: this host is the table's now\n", configuration.settings.table.c_str());
            return 0;
        }
        if (report.why != last_why) {
            if (report.state == Follow_state::current)
                print_current(configuration.settings, report);
            else
                report_error(report.why +
                             (end ? "" : ": this replica proves no miss until that is over"));
        }
        last_why = report.why;
        was_current = was_current || report.state == Follow_state::current;
        if (end)
            return *end;
        if (stop.wait(interval))
            return 0;
    }
}

int run_follow(const Arguments &arguments)
{
    const std::optional<std::string> file = arguments.text("init");
    const bool once = arguments.has("once");
    const bool dry_run = arguments.has("dry-run");
    const std::optional<std::string> word = arguments.text("interval");
    if (file && (once || word))
        return fail(exit_usage, "--init only makes the replica: give --once or --interval to a "
                                "follow of its own");
    if (dry_run && !file)
        return fail(exit_usage, "--dry-run goes with --init alone");
    std::uint64_t interval = 1;
    if (word) {
        const char *end = word->data() + word->size();
        const auto [stopped, error] = std::from_chars(word->data(), end, interval);
        if (error != std::errc() || stopped != end || interval < 1 || interval > max_interval)
            return fail(exit_usage, "--interval is a number of seconds from 1 to " +
                                        std::to_string(max_interval));
    }
    const std::optional<Configuration> configuration = configuration_of(arguments);
    if (!configuration)
        return exit_bad_config;
    if (file)
        return make_replica(*configuration, *file, dry_run);
    if (table_is_absent(configuration->settings))
        return fail(exit_no_input, configuration->settings.table +
                                       ": there is no replica on this host: hand an export of the "
                                       "table's host to `doveadm proxymap follow --init`");
    return follow(*configuration, once, interval * 1000);
}

} // namespace

const Command follow_command = {
    .name = "proxymap follow",
    .usage = "[--config <settings file>] [--once] [--interval <seconds>] | "
             "--init <file>|- [--dry-run]",
    .parameters = {{"config", Parameter::Type::option},
                   {"init", Parameter::Type::option},
                   {"interval", Parameter::Type::option},
                   {"once", Parameter::Type::flag},
                   {"dry-run", Parameter::Type::flag}},
    .run = run_follow,
};

} // namespace proxymap
