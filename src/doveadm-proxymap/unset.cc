// `doveadm proxymap unset`: takes fields out of a record of the table.
#include "common.h"

#include "writing.h"

#include "core/record_build.h"
#include "core/text.h"

#include <algorithm>

namespace proxymap {

namespace {

int unset_fields(const Configuration &configuration, const Key &key,
                 const std::vector<std::string> &names, bool dry_run)
{
    int code = 0;
    Record record{};
    const std::unique_ptr<Writing> writing =
        Writing::begin_on(configuration, key, dry_run, &record, &code);
    if (!writing)
        return code;
    const std::string fields = format_fields(record);
    for (const std::string &name : names) {
        const auto field =
            std::find_if(record.fields.begin(), record.fields.end(),
                         [&](const Record_field &one) { return one.name() == name; });
        if (field == record.fields.end())
            return fail(exit_no_record,
                        label(key) + " has no field " + quote(name) + "; it has: " + fields);
        record.fields.erase(field);
    }
    if (const Result<Done> checked = check_record(record); !checked)
        return fail(exit_bad_data,
                    record.fields.empty()
                        ? label(key) + " would have no field left; doveadm proxymap delete deletes "
                                       "the record"
                        : label(key) + ": " + checked.error().message);
    if (const Result<Done> done = writing->table().put(record); !done)
        return fail(exit_try_again, done.error().message);
    return writing->finish(label(key) + " changed", true);
}

int run_unset(const Arguments &arguments)
{
    const std::optional<Configuration> configuration = configuration_of(arguments);
    if (!configuration)
        return exit_bad_config;
    const std::optional<Key> key = key_of(arguments, "unset", configuration->settings.key_case);
    if (!key)
        return exit_usage;
    const std::vector<std::string> names = arguments.list("field");
    if (names.empty())
        return fail(exit_usage, "unset needs at least one name of a field");
    return unset_fields(*configuration, *key, names, arguments.has("dry-run"));
}

} // namespace

const Command unset_command = {
    .name = "proxymap unset",
    .usage = "[--config <settings file>] [--dry-run] <kind> <name> <field> [...]",
    .parameters = {{"config", Parameter::Type::option},
                   {"dry-run", Parameter::Type::flag},
                   {"kind", Parameter::Type::positional},
                   {"name", Parameter::Type::positional},
                   {"field", Parameter::Type::list}},
    .run = run_unset,
};

} // namespace proxymap
