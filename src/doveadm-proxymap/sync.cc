// `doveadm proxymap sync`: brings each mirror up to the table. Does nothing where nothing is to be
// done, so that a timer can run it; --quiet then says nothing either.
#include "common.h"

#include "table_lock.h"
#include "writing.h"

#include <algorithm>

namespace proxymap {

namespace {

// With that mirror alone. Nothing: there is no such one.
std::optional<Configuration> with_mirror(Configuration configuration, const std::string &mirror)
{
    std::erase_if(configuration.settings.stores, [&](const Store_address &address) {
        return address.type != Store_address::Type::memcached || address.text() != mirror;
    });
    return configuration.settings.stores.empty() ? std::nullopt
                                                 : std::optional(std::move(configuration));
}

int sync_mirrors(const Configuration &configuration, bool dry_run, bool quiet)
{
    if (table_is_absent(configuration.settings)) // and is not to be made for this
        return quiet ? 0 : fail(exit_try_again, no_table_yet(configuration.settings));
    die_on_signals();
    const Result<Locked_table> opened =
        open_locked_table(configuration.settings, dry_run ? Table::Mode::read : Table::Mode::write);
    if (!opened)
        return fail(exit_try_again, opened.error().message);
    Table &table = *opened->table;
    const Result<std::vector<Mirror_report>> reports =
        update_mirrors(configuration, table, dry_run);
    if (!reports)
        return fail(exit_try_again, reports.error().message);
    if (reports->empty() && !quiet)
        std::printf("the setting stores names no mirror\n");
    return print_mirrors(*reports, quiet) ? 0 : exit_try_again;
}

int run_sync(const Arguments &arguments)
{
    const std::optional<Configuration> configuration = configuration_of(arguments);
    if (!configuration)
        return exit_bad_config;
    const bool dry_run = arguments.has("dry-run");
    const bool quiet = arguments.has("quiet");
    const std::optional<std::string> mirror = arguments.text("mirror");
    if (!mirror)
        return sync_mirrors(*configuration, dry_run, quiet);
    const std::optional<Configuration> one = with_mirror(*configuration, *mirror);
    if (!one)
        return fail(exit_usage, *mirror + " is no mirror of the setting stores; write it as there, "
                                          "memcached:HOST:PORT or memcached:/PATH");
    return sync_mirrors(*one, dry_run, quiet);
}

} // namespace

const Command sync_command = {
    .name = "proxymap sync",
    .usage = "[--config <settings file>] [--mirror <address>] [--dry-run] [--quiet]",
    .parameters = {{"config", Parameter::Type::option},
                   {"mirror", Parameter::Type::option},
                   {"dry-run", Parameter::Type::flag},
                   {"quiet", Parameter::Type::flag}},
    .run = run_sync,
};

} // namespace proxymap
