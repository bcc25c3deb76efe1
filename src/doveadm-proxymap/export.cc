// `doveadm proxymap export`: the whole table as a routes file, which `import` reads back to the
// same records; or as rows, where -f asks for them.
#include "common.h"

#include <cerrno>
#include <cstdio>
#include <cstring>

namespace proxymap {

namespace {

Result<Done> export_rows(Table &table)
{
    Rows rows("table", {"kind", "name", "fields", "position"});
    return table.for_each([&rows](const Record &record) {
        rows.add({to_string(record.kind), record.name, format_fields(record),
                  format_position(record.position)});
        return true;
    });
}

Result<Done> export_routes(Table &table)
{
    return table.for_each([](const Record &record) {
        const std::string line = format_record(record) + "\n";
        return std::fwrite(line.data(), 1, line.size(), stdout) == line.size();
    });
}

int run_export(const Arguments &arguments)
{
    const std::optional<Configuration> configuration = configuration_of(arguments);
    if (!configuration)
        return exit_bad_config;
    Result<std::unique_ptr<Table>> table = open_table(configuration->settings, Table::Mode::read);
    if (!table)
        return fail(exit_try_again, table.error().message);

    const Result<Done> done = format_chosen() ? export_rows(**table) : export_routes(**table);
    if (!done)
        return fail(exit_try_again, done.error().message);
    // A full disk must not look like a whole export.
    if (!flush_output())
        return fail(exit_output_failed,
                    std::string("the export is not whole: writing failed: ") + strerror(errno));
    return 0;
}

} // namespace

const Command export_command = {
    .name = "proxymap export",
    .usage = "[--config <settings file>]",
    .parameters = {{"config", Parameter::Type::option}},
    .run = run_export,
};

} // namespace proxymap
