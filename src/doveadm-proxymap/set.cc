// `doveadm proxymap set`: lays fields over a record of the table, or makes it.
#include "common.h"

#include "record_checks.h"
#include "set_fields.h"
#include "writing.h"

#include "core/record_build.h"

namespace proxymap {

namespace {

// The record with the fields that the words `name=value` give. An error: exit_bad_data.
Result<Record> with_fields(Record record, const std::vector<std::string> &words, Key_case key_case)
{
    for (const std::string &word : words) {
        const std::size_t equals = word.find('=');
        if (equals == std::string::npos)
            return Error{"'" + word + "' is not a field: write name=value"};
        const Result<Done> done =
            set_field(record, word.substr(0, equals), word.substr(equals + 1));
        if (!done)
            return done.error();
    }
    if (const Result<Done> checked = check_record(record); !checked)
        return checked.error();
    fold_record(record, key_case);
    return record;
}

} // namespace

int set_fields(const Configuration &configuration, const Key &key,
               const std::vector<std::string> &words, Set_rule rule, bool dry_run)
{
    const Settings &settings = configuration.settings;
    if (rule == Set_rule::must_exist && table_is_absent(settings)) // and is not to be made for this
        return fail(exit_no_record, label(key) + ": no such record in " + settings.table);
    int code = 0;
    const std::unique_ptr<Writing> writing = Writing::begin(configuration, dry_run, &code);
    if (!writing)
        return code;
    const Result<std::optional<Record>> old = writing->table().get(key.kind, key.name);
    if (!old)
        return fail(exit_try_again, old.error().message);
    if (rule == Set_rule::must_be_new && old->has_value())
        return fail(exit_bad_data,
                    label(key) + " is in the table already: " + format_fields(**old));
    if (rule == Set_rule::must_exist && !old->has_value())
        return fail(exit_no_record, label(key) + ": no such record in " + settings.table);

    const Result<Record> record =
        with_fields(old->value_or(Record{key.kind, key.name, {}, {}}), words, settings.key_case);
    if (!record)
        return fail(exit_bad_data, label(key) + ": " + record.error().message);
    if (const Result<Done> allowed = check_permission(*record, settings.allow_fields); !allowed)
        return fail(exit_bad_data, allowed.error().message);
    bool failed = false;
    if (const Result<Done> known = check_backends(writing->table(), *record, &failed); !known)
        return failed ? fail(exit_try_again, known.error().message)
                      : fail(exit_bad_data, label(key) + ": " + known.error().message);

    if (old->has_value() && same_fields(**old, *record))
        return writing->finish(label(key) + " unchanged", false);
    if (const Result<Done> done = writing->table().put(*record); !done)
        return fail(exit_try_again, done.error().message);
    return writing->finish(label(key) + (old->has_value() ? " changed" : " added"), true);
}

namespace {

int run_set(const Arguments &arguments)
{
    const std::optional<Configuration> configuration = configuration_of(arguments);
    if (!configuration)
        return exit_bad_config;
    const std::optional<Key> key = key_of(arguments, "set", configuration->settings.key_case);
    if (!key)
        return exit_usage;
    const std::vector<std::string> words = arguments.list("field");
    if (words.empty() && key->kind != Kind::backend)
        return fail(exit_usage, "set needs at least one field=value");
    return set_fields(*configuration, *key, words, Set_rule::any, arguments.has("dry-run"));
}

} // namespace

const Command set_command = {
    .name = "proxymap set",
    .usage = "[--config <settings file>] [--dry-run] <kind> <name> <field>=<value> [...]",
    .parameters = {{"config", Parameter::Type::option},
                   {"dry-run", Parameter::Type::flag},
                   {"kind", Parameter::Type::positional},
                   {"name", Parameter::Type::positional},
                   {"field", Parameter::Type::list}},
    .run = run_set,
};

} // namespace proxymap
