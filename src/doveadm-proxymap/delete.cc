// `doveadm proxymap delete`: takes a record out of the table.
//
// MUST: not a backend that other records name: their users could not log in any more.
#include "common.h"

#include "record_checks.h"
#include "writing.h"

namespace proxymap {

namespace {

int delete_record(const Configuration &configuration, const Key &key, bool dry_run)
{
    int code = 0;
    Record record{};
    const std::unique_ptr<Writing> writing =
        Writing::begin_on(configuration, key, dry_run, &record, &code);
    if (!writing)
        return code;
    if (key.kind == Kind::backend) {
        const Result<Backend_users> users = users_of_backend(writing->table(), key.name);
        if (!users)
            return fail(exit_try_again, users.error().message);
        if (users->count > 0)
            return fail(exit_bad_data, label(key) + " is named by " + std::to_string(users->count) +
                                           (users->count == 1 ? " record (" : " records (") +
                                           first_ones(users->first, users->count) +
                                           "): give them another backend first");
    }
    if (const Result<Done> done = writing->table().remove(key.kind, key.name); !done)
        return fail(exit_try_again, done.error().message);
    return writing->finish(label(key) + " deleted", true);
}

int run_delete(const Arguments &arguments)
{
    const std::optional<Configuration> configuration = configuration_of(arguments);
    if (!configuration)
        return exit_bad_config;
    const std::optional<Key> key = key_of(arguments, "delete", configuration->settings.key_case);
    if (!key)
        return exit_usage;
    return delete_record(*configuration, *key, arguments.has("dry-run"));
}

} // namespace

const Command delete_command = {
    .name = "proxymap delete",
    .usage = "[--config <settings file>] [--dry-run] <kind> <name>",
    .parameters = {{"config", Parameter::Type::option},
                   {"dry-run", Parameter::Type::flag},
                   {"kind", Parameter::Type::positional},
                   {"name", Parameter::Type::positional}},
    .run = run_delete,
};

} // namespace proxymap
