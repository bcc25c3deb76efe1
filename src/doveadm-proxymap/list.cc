// `doveadm proxymap list`: the records of the table, all or those that are asked for. A row goes
// out as soon as it is read.
#include "common.h"

#include "record_checks.h"

#include "core/glob.h"

#include <cerrno>
#include <cstring>

namespace proxymap {

namespace {

struct Filter {
    std::optional<Kind> kind;
    std::optional<std::string> backend;
    std::optional<Glob> pattern;

    bool takes(const Record &record) const
    {
        return (!kind || record.kind == *kind) && (!backend || names_backend(record, *backend)) &&
               (!pattern || pattern->matches(record.name));
    }
};

// Reports the error.
std::optional<Filter> filter_of(const Arguments &arguments, Key_case key_case)
{
    Filter filter;
    if (const std::optional<std::string> word = arguments.text("kind")) {
        filter.kind = parse_kind(*word);
        if (!filter.kind) {
            report_error("unknown kind '" + *word +
                         "': user, domain, default and backend are allowed");
            return std::nullopt;
        }
    }
    if (const std::optional<std::string> backend = arguments.text("backend"))
        filter.backend = fold_name(*backend, key_case);
    if (const std::optional<std::string> text = arguments.text("match")) {
        const Result<Glob> pattern = Glob::parse(fold_name(*text, key_case));
        if (!pattern) {
            report_error("--match: " + pattern.error().message);
            return std::nullopt;
        }
        filter.pattern = *pattern;
    }
    return filter;
}

int run_list(const Arguments &arguments)
{
    const std::optional<Configuration> configuration = configuration_of(arguments);
    if (!configuration)
        return exit_bad_config;
    const std::optional<Filter> filter = filter_of(arguments, configuration->settings.key_case);
    if (!filter)
        return exit_usage;
    Result<std::unique_ptr<Table>> table = open_table(configuration->settings, Table::Mode::read);
    if (!table)
        return fail(exit_try_again, table.error().message);

    Rows rows("table", {"kind", "name", "fields", "position"});
    const Result<Done> done = (*table)->for_each([&](const Record &record) {
        if (filter->takes(record))
            rows.add({to_string(record.kind), record.name, format_fields(record),
                      format_position(record.position)});
        return true;
    });
    if (!done)
        return fail(exit_try_again, done.error().message);
    if (!flush_output())
        return fail(exit_output_failed,
                    std::string("the list is not whole: writing failed: ") + strerror(errno));
    return 0;
}

} // namespace

const Command list_command = {
    .name = "proxymap list",
    .usage = "[--config <settings file>] [--kind <kind>] [--backend <name>] [--match <pattern>]",
    .parameters = {{"config", Parameter::Type::option},
                   {"kind", Parameter::Type::option},
                   {"backend", Parameter::Type::option},
                   {"match", Parameter::Type::option}},
    .run = run_list,
};

} // namespace proxymap
