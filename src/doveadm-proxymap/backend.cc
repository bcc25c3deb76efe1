// `doveadm proxymap backend`: the backends, who is on them, and whether they take logins.
#include "common.h"

#include "record_checks.h"
#include "set_fields.h"

#include <map>

namespace proxymap {

namespace {

constexpr const char *actions = "list, add, set, drain, down and up are allowed";

struct Row {
    Record record;
    std::uint64_t users = 0;
};
using Backends = std::map<std::string, Row>;

// What each backend has: records of users, domains and the default that name it.
Result<Backends> read_backends(const Settings &settings)
{
    const Result<std::unique_ptr<Table>> table = open_table(settings, Table::Mode::read);
    if (!table)
        return table.error();
    Backends backends; // their records come first
    const Result<Done> read = (*table)->for_each([&](const Record &record) {
        if (record.kind == Kind::backend) {
            backends[record.name].record = record;
            return true;
        }
        std::string last; // a record counts once, though it may name a backend for each service
        for (const Record_field &field : record.fields) {
            if (field.id != Field_id::backend || field.value == last)
                continue;
            last = field.value;
            if (const auto it = backends.find(last); it != backends.end())
                ++it->second.users;
        }
        return true;
    });
    if (!read)
        return read.error();
    return backends;
}

// "up", or as the fields say: "drain", "up imap=down".
std::string state_of(const Record &backend)
{
    std::string general = "up";
    std::string services;
    for (const Record_field &field : backend.fields) {
        if (field.id != Field_id::state)
            continue;
        if (field.service == Service::any)
            general = field.value;
        else
            services += " " + std::string(to_string(field.service)) + "=" + field.value;
    }
    return general + services;
}

int list_backends(const Configuration &configuration)
{
    const Result<Backends> backends = read_backends(configuration.settings);
    if (!backends)
        return fail(exit_try_again, backends.error().message);
    Rows rows("table", {"backend", "state", "failover", "users", "fields"});
    for (const auto &[name, backend] : *backends) {
        const std::string *failover = backend.record.find(Field_id::failover, Service::any);
        rows.add({name, state_of(backend.record), failover != nullptr ? *failover : "",
                  std::to_string(backend.users),
                  backend.record.fields.empty() ? "" : format_fields(backend.record)});
    }
    return 0;
}

int change_state(const Configuration &configuration, const Key &key, const std::string &state,
                 const std::optional<std::string> &failover, bool dry_run)
{
    std::vector<std::string> words = {"state=" + state};
    if (failover)
        words.push_back("failover=" + *failover);
    const int code = set_fields(configuration, key, words, Set_rule::must_exist, dry_run);
    if (code != 0)
        return code;
    const Result<Backends> backends = read_backends(configuration.settings);
    if (!backends)
        return fail(exit_try_again, backends.error().message);
    const auto it = backends->find(key.name);
    if (it == backends->end())
        return 0; // deleted meanwhile
    const Row &row = it->second;
    const std::string *other =
        failover ? &*failover : row.record.find(Field_id::failover, Service::any);
    std::string happens = "new logins go to it";
    if (state != "up")
        happens = other != nullptr
                      ? "new logins go to its failover " + *other
                      : "new logins fail for now (temporary failure), for it names no failover";
    std::printf("%s: %llu record%s name%s it; %s\n", label(key).c_str(),
                static_cast<unsigned long long>(row.users), row.users == 1 ? "" : "s",
                row.users == 1 ? "s" : "", happens.c_str());
    return 0;
}

int run_backend(const Arguments &arguments)
{
    const std::optional<std::string> action = arguments.text("action");
    if (!action)
        return fail(exit_usage, std::string("backend needs an action: ") + actions);
    const std::optional<std::string> name = arguments.text("name");
    const std::vector<std::string> words = arguments.list("field");
    const std::optional<std::string> failover = arguments.text("failover");
    const bool dry_run = arguments.has("dry-run");
    const bool is_state = *action == "drain" || *action == "down" || *action == "up";
    if (!is_state && *action != "list" && *action != "add" && *action != "set")
        return fail(exit_usage, "unknown action '" + *action + "': " + actions);
    if (failover && *action != "drain" && *action != "down")
        return fail(exit_usage, "--failover goes with drain and down; elsewhere write "
                                "failover=NAME as a field");
    if (*action == "list" ? name.has_value() : !name.has_value())
        return fail(exit_usage, *action == "list" ? "backend list takes no name; doveadm proxymap "
                                                    "get backend NAME shows one"
                                                  : "backend " + *action + " needs a name");
    if (is_state && !words.empty())
        return fail(exit_usage, "backend " + *action + " takes no fields; use backend set");
    if (*action == "set" && words.empty())
        return fail(exit_usage, "backend set needs at least one field=value");

    const std::optional<Configuration> configuration = configuration_of(arguments);
    if (!configuration)
        return exit_bad_config;
    if (*action == "list")
        return list_backends(*configuration);
    const Key key{Kind::backend, fold_name(*name, configuration->settings.key_case)};
    if (is_state)
        return change_state(*configuration, key, *action, failover, dry_run);
    return set_fields(*configuration, key, words,
                      *action == "add" ? Set_rule::must_be_new : Set_rule::must_exist, dry_run);
}

} // namespace

const Command backend_command = {
    .name = "proxymap backend",
    .usage = "[--config <settings file>] [--dry-run] [--failover <name>] "
             "list | add|set|drain|down|up <name> [<field>=<value> ...]",
    .parameters = {{"config", Parameter::Type::option},
                   {"dry-run", Parameter::Type::flag},
                   {"failover", Parameter::Type::option},
                   {"action", Parameter::Type::positional},
                   {"name", Parameter::Type::positional},
                   {"field", Parameter::Type::list}},
    .run = run_backend,
};

} // namespace proxymap
