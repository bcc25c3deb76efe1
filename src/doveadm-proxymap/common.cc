#include "common.h"

#include <cerrno>
#include <sys/stat.h>

namespace proxymap {

namespace {

constexpr const char *default_settings_path = "/etc/dovecot/proxymap.conf.ext";

Table_config config_of(const Settings &settings)
{
    return {settings.table, settings.key_case, settings.table_max_size};
}

} // namespace

std::string settings_path(const std::optional<std::string> &named)
{
    if (named)
        return *named;
    const std::optional<std::string> args = passdb_args("proxymap");
    return args && !args->empty() ? *args : default_settings_path;
}

std::optional<Configuration> configuration_of(const Arguments &arguments)
{
    Result<Configuration> configuration =
        read_configuration(settings_path(arguments.text("config")));
    if (!configuration) {
        report_error(configuration.error().message);
        return std::nullopt;
    }
    return std::move(*configuration);
}

Result<std::unique_ptr<Table>> find_table(const Settings &settings)
{
    struct stat status {};
    if (stat((settings.table + "/data.mdb").c_str(), &status) < 0 && errno == ENOENT)
        return std::unique_ptr<Table>();
    Result<std::unique_ptr<Table>> table = Table::open(config_of(settings), Table::Mode::read);
    if (!table)
        return table;
    const Position position = (*table)->position();
    return position.known() && !position.written() ? std::unique_ptr<Table>() : std::move(*table);
}

Result<std::unique_ptr<Table>> open_table(const Settings &settings, Table::Mode mode)
{
    if (mode == Table::Mode::write)
        return Table::open(config_of(settings), mode);
    Result<std::unique_ptr<Table>> table = find_table(settings);
    if (table && *table == nullptr)
        return Error{no_table_yet(settings)};
    return table;
}

std::string no_table_yet(const Settings &settings)
{
    return settings.table + ": there is no table yet; doveadm proxymap import makes one";
}

std::optional<Key> key_of(const Arguments &arguments, const std::string &command, Key_case key_case)
{
    const std::optional<std::string> word = arguments.text("kind");
    if (!word) {
        report_error(command + " needs a kind (user, domain, default or backend) and a name");
        return std::nullopt;
    }
    const std::optional<Kind> kind = parse_kind(*word);
    if (!kind) {
        report_error("unknown kind '" + *word + "': user, domain, default and backend are allowed");
        return std::nullopt;
    }
    std::optional<std::string> name = arguments.text("name");
    if (!name && *kind == Kind::default_route)
        name = "*";
    if (!name) {
        report_error(command + " needs the name of the " + *word + " record");
        return std::nullopt;
    }
    return Key{*kind, fold_name(*name, key_case)};
}

std::string label(const Key &key)
{
    return std::string(to_string(key.kind)) + " " + key.name;
}

std::string first_ones(const std::vector<std::string> &first, std::uint64_t count)
{
    std::string text;
    for (const std::string &one : first)
        text += (text.empty() ? "" : ", ") + one;
    return text + (count > first.size() ? ", ..." : "");
}

int fail(int code, const std::string &message)
{
    report_error(message);
    return code;
}

std::string format_fields(const Record &record)
{
    Record bare;
    bare.kind = record.kind;
    bare.name = record.name;
    // "user john" + " " + fields
    return format_record(record).substr(format_record(bare).size() + 1);
}

} // namespace proxymap
