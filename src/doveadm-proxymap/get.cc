// `doveadm proxymap get`: one record of the table.
#include "common.h"

namespace proxymap {

namespace {

int run_get(const Arguments &arguments)
{
    const std::optional<Configuration> configuration = configuration_of(arguments);
    if (!configuration)
        return exit_bad_config;
    const Settings &settings = configuration->settings;
    const std::optional<Key> key = key_of(arguments, "get", settings.key_case);
    if (!key)
        return exit_usage;
    Result<std::unique_ptr<Table>> table = open_table(settings, Table::Mode::read);
    if (!table)
        return fail(exit_try_again, table.error().message);
    const Result<std::optional<Record>> record = (*table)->get(key->kind, key->name);
    if (!record)
        return fail(exit_try_again, record.error().message);
    if (!record->has_value())
        return fail(exit_no_record, label(*key) + ": no such record in " + settings.table);

    const Record &found = **record;
    Rows rows("table", {"kind", "name", "fields", "position"});
    rows.add(
        {to_string(found.kind), found.name, format_fields(found), format_position(found.position)});
    return 0;
}

} // namespace

const Command get_command = {
    .name = "proxymap get",
    .usage = "[--config <settings file>] <kind> <name>",
    .parameters = {{"config", Parameter::Type::option},
                   {"kind", Parameter::Type::positional},
                   {"name", Parameter::Type::positional}},
    .run = run_get,
};

} // namespace proxymap
