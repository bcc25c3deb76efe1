// `doveadm proxymap import`: takes a routes file into the table, all or nothing, then brings every
// memcached mirror to the table's position.
//
// MUST: a mirror is told "complete" only when it holds the whole table. What changed is enough for
// one that held everything before the change; any other one is sent the whole table.
// MUST: one import at a time, until its last mirror is done: two that interleave could leave an
// older record under a newer position.
#include "common.h"

#include "mirror_marker.h"
#include "mirror_update.h"
#include "progress.h"
#include "table_import.h"
#include "table_lock.h"

#include "core/routes_file.h"

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <iostream>

namespace proxymap {

namespace {

void print_errors(const std::string &name, const Routes_file_errors &errors,
                  const Table_import &import)
{
    for (const Line_error &error : errors.first)
        std::fprintf(stderr, "%s:%llu: %s\n", name.c_str(),
                     static_cast<unsigned long long>(error.line), error.message.c_str());
    for (const std::string &refusal : import.refusals)
        std::fprintf(stderr, "%s: %s\n", name.c_str(), refusal.c_str());
    const auto count = static_cast<unsigned long long>(errors.count) + import.refused;
    std::fprintf(stderr, "%s: %llu error%s: nothing was imported\n", name.c_str(), count,
                 count == 1 ? "" : "s");
}

// Everything up to the commit, which is the caller's. An exit code, 0 for success; reports errors.
int read_into(Table_import &import, Table &table, std::istream &in, const std::string &name,
              Key_case key_case)
{
    Progress progress(name);
    Routes_file_errors errors;
    read_routes(
        in, key_case,
        [&import](const std::string &backend) { return import.knows_backend(backend); },
        [&import, &progress](Record &&record) {
            import.take(std::move(record));
            progress.step();
        },
        &errors);
    progress.end();
    // The half of a file that could be read is not the file.
    if (in.bad() || (&in == &std::cin && std::ferror(stdin) != 0)) {
        table.abort();
        return fail(exit_no_input, name + ": cannot be read to its end: nothing was imported");
    }
    if (errors.count + import.refused > 0) {
        table.abort();
        print_errors(name, errors, import);
        return exit_bad_data;
    }
    if (import.error()) {
        table.abort();
        return fail(exit_try_again, import.error()->message);
    }
    return 0;
}

Result<std::string> update_one(const Configuration &configuration, const Store_address &address,
                               Table &table, const Mirror_change &change)
{
    const Result<Marker> held = read_mirror_marker(address, configuration.settings.name_space);
    if (!held)
        return held.error();
    Result<std::unique_ptr<Mirror_writer>> writer =
        Mirror_writer::connect(address, configuration.settings.name_space, configuration.seal_keys);
    if (!writer)
        return writer.error();
    return update_mirror(address.text(), *held, **writer, table, change);
}

// Every mirror is tried, also after one has failed. Whether all have acknowledged.
bool update_mirrors(const Configuration &configuration, Table &table, const Mirror_change &change)
{
    bool all = true;
    for (const Store_address &address : configuration.settings.stores) {
        if (address.type != Store_address::Type::memcached)
            continue;
        const Result<std::string> done = update_one(configuration, address, table, change);
        if (done) {
            std::printf("%s: %s\n", address.text().c_str(), done->c_str());
        } else {
            report_error(done.error().message);
            all = false;
        }
    }
    return all;
}

int import_stream(const Configuration &configuration, std::istream &in, const std::string &name)
{
    const Settings &settings = configuration.settings;
    Result<std::unique_ptr<Table>> opened = open_table(settings, Table::Mode::write);
    if (!opened)
        return fail(exit_try_again, opened.error().message);
    Table &table = **opened;
    const Result<Table_lock> lock = Table_lock::take(settings.table);
    if (!lock)
        return fail(exit_try_again, lock.error().message);

    const Position before = table.position();
    if (const Result<Done> begun = table.begin(); !begun)
        return fail(exit_try_again, begun.error().message);
    Table_import import(table, settings.allow_fields);
    if (const int code = read_into(import, table, in, name, settings.key_case); code != 0)
        return code;

    Position now = before;
    if (import.keys.empty()) {
        table.abort(); // nothing new: the position stays
    } else {
        const Result<Position> committed = table.commit();
        if (!committed)
            return fail(exit_try_again, committed.error().message);
        now = *committed;
    }
    std::printf("%s: %llu added, %llu changed, %llu unchanged (position %s)\n",
                settings.table.c_str(), static_cast<unsigned long long>(import.added),
                static_cast<unsigned long long>(import.changed),
                static_cast<unsigned long long>(import.unchanged), format_position(now).c_str());
    if (!update_mirrors(configuration, table, {before, now, import.keys}))
        return fail(exit_try_again, "the table has the change, but not every mirror: run the same "
                                    "import again when the failed ones are back");
    return 0;
}

int run_import(const Arguments &arguments)
{
    const std::optional<std::string> file = arguments.text("file");
    if (!file)
        return fail(exit_usage, "import needs a routes file, or - for standard input");
    const std::optional<Configuration> configuration = configuration_of(arguments);
    if (!configuration)
        return exit_bad_config;

    // Killed before the commit, nothing has happened; later, a mirror is left "loading", which
    // proves nothing to a reader, and the next import sends it the whole table.
    die_on_signals();
    if (*file == "-")
        return import_stream(*configuration, std::cin, "-");
    std::ifstream in(*file);
    if (!in)
        return fail(exit_no_input, *file + ": cannot be opened: " + strerror(errno));
    return import_stream(*configuration, in, *file);
}

} // namespace

const Command import_command = {
    .name = "proxymap import",
    .usage = "[--config <settings file>] <routes file>|-",
    .parameters = {{"config", Parameter::Type::option}, {"file", Parameter::Type::positional}},
    .run = run_import,
};

} // namespace proxymap
