#include "common.h"

#include "dovecot/settings_source.h"

#include <cerrno>
#include <ctime>
#include <sys/stat.h>

namespace proxymap {

Result<Configuration> read_tool_configuration(const std::optional<std::string> &named)
{
    Result<Settings> settings = read_tool_settings(named);
    if (!settings)
        return settings.error();
    return complete_configuration(std::move(*settings));
}

std::optional<Configuration> configuration_of(const Arguments &arguments)
{
    Result<Configuration> configuration = read_tool_configuration(arguments.text("config"));
    if (!configuration) {
        report_error(configuration.error().message);
        return std::nullopt;
    }
    return std::move(*configuration);
}

Table_config table_config(const Settings &settings)
{
    Table_config config;
    config.path = settings.table;
    config.key_case = settings.key_case;
    config.max_size = settings.table_max_size;
    return config;
}

Result<std::unique_ptr<Table>> find_table(const Settings &settings)
{
    struct stat status {};
    if (stat((settings.table + "/data.mdb").c_str(), &status) < 0 && errno == ENOENT)
        return std::unique_ptr<Table>();
    Result<std::unique_ptr<Table>> table = Table::open(table_config(settings), Table::Mode::read);
    if (!table)
        return table;
    const Position position = (*table)->position();
    return position.known() && !position.written() ? std::unique_ptr<Table>() : std::move(*table);
}

Result<std::unique_ptr<Table>> open_table(const Settings &settings, Table::Mode mode)
{
    if (mode == Table::Mode::write)
        return Table::open(table_config(settings), mode);
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

std::string format_time(std::uint64_t time)
{
    const auto seconds = static_cast<std::time_t>(time);
    std::tm parts{};
    char text[32];
    if (time == 0 || gmtime_r(&seconds, &parts) == nullptr)
        return {};
    return {text, std::strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &parts)};
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
