// `doveadm proxymap verify`: the table against each mirror, record by record.
//
// MUST: no writer meanwhile, or what is just being changed would be taken for a difference, and a
// repair could bring back what was changed.
#include "common.h"

#include "mirror_check.h"
#include "mirror_state.h"
#include "progress.h"
#include "writing.h"

namespace proxymap {

namespace {

constexpr std::size_t batch_records = 200;

Result<Done> walk(Table &table, Key_case key_case, std::vector<Mirror_check> &checks)
{
    Progress progress("verify");
    std::vector<Table_text> batch;
    batch.reserve(batch_records);
    const auto check = [&] {
        for (Mirror_check &one : checks)
            one.check(batch);
        batch.clear();
    };
    Result<Done> good = Done{};
    const Result<Done> read = table.for_each_text([&](std::string_view key, std::string_view text) {
        Result<Stored_record> stored = parse_stored_record(text, key_case);
        if (!stored) {
            good = Error{"the table: " + std::string(key) + ": " + stored.error().message};
            return false;
        }
        Record &record = stored->record;
        batch.push_back({{record.kind, std::move(record.name)}, std::string(text)});
        progress.step();
        if (batch.size() == batch_records)
            check();
        return true;
    });
    check();
    return read ? good : read;
}

void show(Rows &rows, const Mirror_check &check, const Position &position)
{
    rows.add({check.name(), "state", "", mirror_state(check.marker(), position)});
    rows.add({check.name(), "checked", std::to_string(check.checked()), ""});
    for (const Finding finding : findings) {
        const Mirror_check::Found &found = check.found(finding);
        if (finding == Finding::excess && !check.no_excess().empty())
            rows.add({check.name(), to_string(finding), "-", check.no_excess()});
        else
            rows.add({check.name(), to_string(finding), std::to_string(found.count),
                      first_ones(found.first, found.count)});
    }
}

int verify_mirrors(const Configuration &configuration, Table &table, bool repair)
{
    if (repair) {
        const Result<std::vector<Mirror_report>> reports = update_mirrors(configuration, table);
        if (!reports)
            return fail(exit_try_again, reports.error().message);
    }
    const Position position = table.position();
    std::vector<Mirror_check> checks;
    for (const Store_address &address : configuration.settings.stores) {
        if (address.type == Store_address::Type::memcached)
            checks.emplace_back(configuration, address, position);
    }
    for (Mirror_check &check : checks)
        check.begin(repair);
    if (const Result<Done> walked = walk(table, configuration.settings.key_case, checks); !walked)
        return fail(exit_try_again, walked.error().message);

    Rows rows("table", {"mirror", "finding", "count", "which"});
    bool down = false;
    bool different = false;
    for (Mirror_check &check : checks) {
        check.check_excess([&table](const Key &key) -> Result<bool> {
            const Result<std::optional<Record>> record = table.get(key.kind, key.name);
            if (!record)
                return record.error();
            return record->has_value();
        });
        check.end();
        if (check.error()) {
            report_error(check.error()->message);
            down = true;
            continue;
        }
        show(rows, check, position);
        const bool current = mirror_state(check.marker(), position) == "current";
        different = different || !current || (check.differs() && !repair);
    }
    return down ? exit_try_again : different ? exit_different : 0;
}

int run_verify(const Arguments &arguments)
{
    const std::optional<Configuration> configuration = configuration_of(arguments);
    if (!configuration)
        return exit_bad_config;
    const Settings &settings = configuration->settings;
    if (table_is_absent(settings))
        return fail(exit_try_again, no_table_yet(settings));
    const bool repair = arguments.has("repair");
    die_on_signals();
    const Result<Locked_table> opened =
        open_locked_table(settings, repair ? Table::Mode::write : Table::Mode::read);
    if (!opened)
        return fail(exit_try_again, opened.error().message);
    Table &table = *opened->table;
    return verify_mirrors(*configuration, table, repair);
}

} // namespace

const Command verify_command = {
    .name = "proxymap verify",
    .usage = "[--config <settings file>] [--repair]",
    .parameters = {{"config", Parameter::Type::option}, {"repair", Parameter::Type::flag}},
    .run = run_verify,
};

} // namespace proxymap
