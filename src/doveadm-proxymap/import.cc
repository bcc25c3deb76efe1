// `doveadm proxymap import`: takes a file of records into the table, all or nothing, then brings
// every memcached mirror to the table's position.
#include "common.h"

#include "progress.h"
#include "table_import.h"
#include "writing.h"

#include "core/records_file.h"

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <iostream>

namespace proxymap {

namespace {

struct Import_file {
    std::istream &in;
    std::string name;
    std::optional<File_format> format; // nothing: by its first line
    bool replace = false;
    std::uint64_t bytes = 0; // 0: unknown

    // How much of it was read, from 0 to 1; negative: unknown.
    double read_part() const
    {
        return bytes == 0 ? -1 : static_cast<double>(in.tellg()) / static_cast<double>(bytes);
    }
};

void print_errors(const std::string &name, const File_errors &errors)
{
    for (const Line_error &error : errors.first)
        std::fprintf(stderr, "%s:%llu: %s\n", name.c_str(),
                     static_cast<unsigned long long>(error.line), error.message.c_str());
    std::fprintf(stderr, "%s: %llu error%s: nothing was imported\n", name.c_str(),
                 static_cast<unsigned long long>(errors.count), errors.count == 1 ? "" : "s");
}

// The whole file is read and checked before anything of it is written. An exit code, 0 for success;
// reports errors.
int read_file(Table_import &table, const Import_file &file, Key_case key_case,
              Record_sorter &records_r)
{
    Progress progress("reading " + file.name);
    Text_input text(file.in);
    const File_format format = file.format.value_or(guess_format(text));
    File_errors errors;
    const Result<std::uint64_t> records = read_records(
        text, format, key_case,
        [&](const std::string &backend) { return !file.replace && table.knows_backend(backend); },
        [&](const Record &record) {
            progress.step([&file] { return file.read_part(); });
            return table.check(record);
        },
        records_r, &errors);
    progress.end();
    // The half of a file that could be read is not the file.
    if (text.failed() || (&file.in == &std::cin && std::ferror(stdin) != 0))
        return fail(exit_no_input, file.name + ": cannot be read to its end: nothing was imported");
    if (!records)
        return fail(exit_try_again, records.error().message);
    if (!table.error() && errors.count > 0) {
        print_errors(file.name, errors);
        return exit_bad_data;
    }
    if (file.replace && *records == 0)
        return fail(exit_bad_data, file.name + ": no record: nothing was imported, for --replace "
                                               "would leave an empty table");
    return 0;
}

// Everything up to the commit, which is the caller's. An exit code, 0 for success; reports errors.
int read_into(Table_import &table, const Import_file &file, Key_case key_case)
{
    Record_sorter records;
    if (const int code = read_file(table, file, key_case, records); code != 0)
        return code;
    Progress progress("writing");
    table.write(records, [&progress] { progress.step(); });
    if (file.replace)
        table.remove_others(records);
    progress.end();
    if (table.error())
        return fail(exit_try_again, table.error()->message);
    return 0;
}

std::string counts_of(const Table_import &import)
{
    return std::to_string(import.added) + " added, " + std::to_string(import.changed) +
           " changed, " + std::to_string(import.deleted) + " deleted, " +
           std::to_string(import.unchanged) + " unchanged";
}

int import_file(const Configuration &configuration, const Import_file &file, bool dry_run)
{
    int code = 0;
    const std::unique_ptr<Writing> writing = Writing::begin(configuration, dry_run, &code);
    if (!writing)
        return code;
    Table_import import(writing->table(), configuration.settings.allow_fields);
    code = read_into(import, file, configuration.settings.key_case);
    return code != 0 ? code : writing->finish(counts_of(import), import.changes_anything());
}

int run_import(const Arguments &arguments)
{
    const std::optional<std::string> name = arguments.text("file");
    if (!name)
        return fail(exit_usage, "import needs a file, or - for standard input");
    std::optional<File_format> format;
    if (const std::optional<std::string> word = arguments.text("format")) {
        format = parse_file_format(*word);
        if (!format)
            return fail(exit_usage,
                        "unknown format '" + *word + "': routes, csv, tsv and json are allowed");
    }
    const std::optional<Configuration> configuration = configuration_of(arguments);
    if (!configuration)
        return exit_bad_config;
    const bool replace = arguments.has("replace");
    const bool dry_run = arguments.has("dry-run");

    if (*name == "-")
        return import_file(*configuration, {std::cin, "-", format, replace}, dry_run);
    std::ifstream in(*name, std::ios::binary);
    if (!in)
        return fail(exit_no_input, *name + ": cannot be opened: " + strerror(errno));
    in.seekg(0, std::ios::end);
    const std::streamoff bytes = in.tellg(); // negative: a pipe
    in.clear();
    in.seekg(0);
    in.clear();
    return import_file(
        *configuration,
        {in, *name, format, replace, bytes > 0 ? static_cast<std::uint64_t>(bytes) : 0}, dry_run);
}

} // namespace

const Command import_command = {
    .name = "proxymap import",
    .usage = "[--config <settings file>] [--format routes|csv|tsv|json] [--replace] [--dry-run] "
             "<file>|-",
    .parameters = {{"config", Parameter::Type::option},
                   {"format", Parameter::Type::option},
                   {"replace", Parameter::Type::flag},
                   {"dry-run", Parameter::Type::flag},
                   {"file", Parameter::Type::positional}},
    .run = run_import,
};

} // namespace proxymap
