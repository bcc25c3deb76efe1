// `doveadm proxymap export`: the whole table in a format that `import` reads back to the same
// records; or as rows, where -f asks for them; or with every position, for a replica.
#include "common.h"

#include "core/record_writer.h"
#include "core/replica_file.h"
#include "store/lmdb_layout.h"

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

bool print(const std::string &text)
{
    return std::fwrite(text.data(), 1, text.size(), stdout) == text.size();
}

// An error of the format's in *refused_r: nothing was printed then.
Result<Done> export_file(Table &table, File_format format, std::optional<Error> *refused_r)
{
    Record_writer writer(format);
    Result<Done> looked = table.for_each([&](const Record &record) {
        if (const Result<Done> fits = writer.prepare(record); !fits)
            *refused_r = fits.error();
        return !*refused_r;
    });
    if (!looked || *refused_r)
        return looked;
    if (!print(writer.header()))
        return Done{}; // the flush at the end says so
    Result<Done> written = Done{};
    const Result<Done> read = table.for_each([&](const Record &record) {
        const Result<std::string> line = writer.line(record);
        if (!line)
            written = line.error();
        return line && print(*line);
    });
    return written ? read : written;
}

// Of one snapshot: position and records must be of the same moment.
Result<Done> export_positions(const Settings &settings)
{
    const auto env = Lmdb_env::open(settings.table, settings.table_max_size, Lmdb_env::Mode::read);
    if (!env)
        return env.error();
    const auto txn = (*env)->read();
    if (!txn)
        return txn.error();
    const auto position = read_position(*txn, (*env)->files());
    if (!position)
        return position.error();
    if (!position->written())
        return Error{settings.table + ": nothing was ever written to this table"};
    if (!print(replica_file_start(*position)))
        return Done{}; // the flush at the end says so
    std::uint64_t records = 0;
    Lmdb_cursor cursor(*txn);
    for (const Kind kind : {Kind::backend, Kind::default_route, Kind::domain, Kind::user}) {
        const std::string prefix = std::string(to_string(kind)) + ':';
        auto entry = cursor.first_from(prefix);
        for (; entry && *entry && (*entry)->key.starts_with(prefix); entry = cursor.next()) {
            if (!print(std::string((*entry)->value) + '\n'))
                return Done{};
            records++;
        }
        if (!entry)
            return entry.error();
    }
    (void)print(replica_file_end(records));
    return Done{};
}

int run_export(const Arguments &arguments)
{
    const bool positions = arguments.has("positions");
    File_format format = File_format::routes;
    if (const std::optional<std::string> word = arguments.text("format")) {
        const std::optional<File_format> known = parse_file_format(*word);
        if (!known)
            return fail(exit_usage,
                        "unknown format '" + *word + "': routes, csv, tsv and json are allowed");
        if (format_chosen())
            return fail(exit_usage, "-f and --format exclude each other: -f prints rows, --format "
                                    "a file for import");
        format = *known;
    }
    if (positions && (format_chosen() || arguments.text("format")))
        return fail(exit_usage, "--positions prints a format of its own: give neither -f nor "
                                "--format");
    const std::optional<Configuration> configuration = configuration_of(arguments);
    if (!configuration)
        return exit_bad_config;
    Result<std::unique_ptr<Table>> table = open_table(configuration->settings, Table::Mode::read);
    if (!table)
        return fail(exit_try_again, table.error().message);

    std::optional<Error> refused;
    const Result<Done> done = positions         ? export_positions(configuration->settings)
                              : format_chosen() ? export_rows(**table)
                                                : export_file(**table, format, &refused);
    if (!done)
        return fail(exit_try_again, done.error().message);
    if (refused)
        return fail(exit_bad_data, refused->message);
    // A full disk must not look like a whole export.
    if (!flush_output())
        return fail(exit_output_failed,
                    std::string("the export is not whole: writing failed: ") + strerror(errno));
    return 0;
}

} // namespace

const Command export_command = {
    .name = "proxymap export",
    .usage = "[--config <settings file>] [--format routes|csv|tsv|json] [--positions]",
    .parameters = {{"config", Parameter::Type::option},
                   {"format", Parameter::Type::option},
                   {"positions", Parameter::Type::flag}},
    .run = run_export,
};

} // namespace proxymap
