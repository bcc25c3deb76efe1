// `doveadm proxymap promote`: makes this host the table's, in a new epoch, after saying what is
// lost by it. Until the mirrors show that epoch the old host may write; from then on it is refused.
//
// MUST: what is asked for is what happens. The mirrors are looked at again after the answer, and
// when one has moved nothing is done.
#include "common.h"

#include "mirror_journal.h"
#include "mirror_reading.h"
#include "writing.h"

#include <algorithm>
#include <cstdio>
#include <iostream>
#include <unistd.h>

namespace proxymap {

namespace {

// What a mirror shows, beside this host's table.
struct Survey {
    std::string mirror;
    std::optional<Error> error; // nothing can be said of it
    std::optional<Marker> marker;
    std::optional<Beyond> beyond; // it is newer than the table
    bool foreign = false;

    // All that the answer depends on.
    bool same_as(const Survey &other) const
    {
        return marker == other.marker && error.has_value() == other.error.has_value();
    }
};

Survey look_at(const Store_address &address, const std::string &name_space, const Position &table)
{
    Survey survey;
    survey.mirror = address.text();
    const auto reading = Mirror_reading::connect(address, name_space);
    const auto marker =
        reading ? (*reading)->marker() : Result<std::optional<Marker>>(reading.error());
    if (!marker) {
        survey.error = marker.error();
        return survey;
    }
    survey.marker = *marker;
    if (!*marker)
        return survey;
    const Position &held = (*marker)->position;
    survey.foreign = held.table != table.table;
    if (survey.foreign || !table.older_than(held))
        return survey;
    const auto beyond = read_beyond(**reading, name_space, table, held);
    if (beyond)
        survey.beyond = *beyond;
    else
        survey.error = beyond.error();
    return survey;
}

std::vector<Survey> look_at_mirrors(const Settings &settings, const Position &table)
{
    std::vector<Survey> surveys;
    for (const Store_address &address : settings.stores) {
        if (address.type == Store_address::Type::memcached)
            surveys.push_back(look_at(address, settings.name_space, table));
    }
    return surveys;
}

std::string count_of(std::uint64_t count, const std::string &what)
{
    return std::to_string(count) + " " + what + (count == 1 ? "" : "s");
}

std::string describe(const Beyond &beyond)
{
    std::string text = beyond.changes == 0 ? "" : count_of(beyond.changes, "changed record");
    if (!text.empty())
        text += " of " + count_of(beyond.positions, "position") + " (" +
                first_ones(beyond.first, beyond.changes) + ")";
    if (!beyond.all_named)
        text += std::string(text.empty() ? "" : ", and ") +
                "changes that its journal does not name, which may be any";
    return text;
}

std::string describe(const Survey &survey)
{
    if (survey.error)
        return survey.error->message + ": what it holds beyond this table, nobody can tell";
    if (!survey.marker)
        return survey.mirror + ": empty: nothing is lost";
    const std::string at =
        survey.mirror + ": at position " + format_position(survey.marker->position) + ": ";
    if (survey.foreign)
        return at + "another table, which promote does not make this one: if this table is the "
                    "right one, empty the mirror first (flush_all)";
    if (survey.beyond)
        return at + "not in this table, and lost: " + describe(*survey.beyond);
    return at + "nothing in it is lost";
}

// An exit code; 0: somebody wants it.
int ask()
{
    std::printf("Make this host the table's host? Type yes: ");
    std::fflush(stdout);
    std::string answer;
    std::getline(std::cin, answer);
    if (answer == "yes")
        return 0;
    return fail(exit_bad_data, "nothing was changed");
}

int carry_out(const Configuration &configuration, Writing &writing, bool dry_run, bool yes)
{
    Table &table = writing.table();
    const Settings &settings = configuration.settings;
    const Position own = table.position();
    if (!own.written())
        return fail(exit_bad_data, settings.table +
                                       ": nothing was ever written to this table, so nobody would "
                                       "be known any more");
    std::printf("%s: this host's table is at position %s\n", settings.table.c_str(),
                format_position(own).c_str());
    const std::vector<Survey> surveys = look_at_mirrors(settings, own);
    std::uint32_t seen = 0;
    bool foreign = false;
    for (const Survey &survey : surveys) {
        if (survey.error || survey.foreign)
            report_error(describe(survey));
        else
            std::printf("%s\n", describe(survey).c_str());
        foreign = foreign || survey.foreign;
        if (survey.marker && !survey.foreign)
            seen = std::max(seen, survey.marker->position.epoch);
    }
    std::printf("What the old host has brought to no mirror is lost, too.\n");
    std::fflush(stdout);
    if (foreign)
        return exit_bad_data;
    if (!dry_run && !yes) {
        if (const int code = ask(); code != 0)
            return code;
        const std::vector<Survey> again = look_at_mirrors(settings, own);
        if (!std::equal(surveys.begin(), surveys.end(), again.begin(),
                        [](const Survey &a, const Survey &b) { return a.same_as(b); }))
            return fail(exit_try_again, "the mirrors have changed meanwhile, and nothing was "
                                        "done: run promote again");
    }
    if (const Result<Done> done = table.promote(seen); !done)
        return fail(exit_try_again, done.error().message);
    return writing.finish("this host is the table's", true);
}

int run_promote(const Arguments &arguments)
{
    const bool dry_run = arguments.has("dry-run");
    const bool yes = arguments.has("yes");
    if (!dry_run && !yes && isatty(STDIN_FILENO) == 0)
        return fail(exit_usage, "promote asks before it does anything, and there is no terminal to "
                                "ask on: see what --dry-run says, then give --yes");
    const std::optional<Configuration> configuration = configuration_of(arguments);
    if (!configuration)
        return exit_bad_config;
    if (table_is_absent(configuration->settings))
        return fail(exit_try_again, configuration->settings.table +
                                        ": there is no table on this host that could become the "
                                        "fleet's");
    int code = 0;
    const std::unique_ptr<Writing> writing =
        Writing::begin_promotion(*configuration, dry_run, &code);
    return writing ? carry_out(*configuration, *writing, dry_run, yes) : code;
}

} // namespace

const Command promote_command = {
    .name = "proxymap promote",
    .usage = "[--config <settings file>] [--dry-run] [--yes]",
    .parameters = {{"config", Parameter::Type::option},
                   {"dry-run", Parameter::Type::flag},
                   {"yes", Parameter::Type::flag}},
    .run = run_promote,
};

} // namespace proxymap
