// `doveadm proxymap status`: the table, each mirror and each proxy, at one glance.
#include "common.h"

#include "memcached_text.h"
#include "mirror_reading.h"
#include "mirror_state.h"
#include "proxy_reports.h"
#include "stats_counters.h"

#include "store/lmdb_env.h"
#include "store/poll_note.h"

#include <sys/stat.h>

namespace proxymap {

namespace {

constexpr std::string_view unknown = "-";
constexpr std::string_view log_prefix = "log:"; // lmdb_layout.h

std::string text_of(const Memcached_text::Stats &stats, std::string_view name)
{
    const auto it = stats.find(name);
    return std::string(it == stats.end() ? unknown : it->second);
}

Result<std::uint64_t> count_records(Table &table)
{
    std::uint64_t count = 0;
    const Result<Done> read =
        table.for_each_text([&count](std::string_view /*key*/, std::string_view /*text*/) {
            ++count;
            return true;
        });
    if (!read)
        return read.error();
    return count;
}

// Transactions of which the table still knows what they changed.
Result<std::uint64_t> count_journal(const Settings &settings)
{
    const auto env = Lmdb_env::open(settings.table, settings.table_max_size, Lmdb_env::Mode::read);
    if (!env)
        return env.error();
    const Result<Lmdb_txn> txn = (*env)->read();
    if (!txn)
        return txn.error();
    Lmdb_cursor cursor(*txn);
    std::uint64_t count = 0;
    auto entry = cursor.first_from(log_prefix);
    while (entry && *entry && (*entry)->key.starts_with(log_prefix)) {
        ++count;
        entry = cursor.next();
    }
    if (!entry)
        return entry.error();
    return count;
}

std::string size_of(const Settings &settings)
{
    struct stat status {};
    if (stat((settings.table + "/data.mdb").c_str(), &status) < 0)
        return std::string(unknown);
    return std::to_string(status.st_size);
}

// What `follow` has last seen of it.
std::string follow_age(const Settings &settings)
{
    const std::optional<std::uint64_t> age = read_poll_age(settings.table);
    return age ? "seen to be current " + std::to_string(*age / 1000) + " s ago"
               : "nobody has seen it to be current: is proxymap-follow.service running?";
}

// How many transactions of the table it has not followed, where that can be counted.
std::string transactions_behind(const std::optional<Position> &position, const Position &table)
{
    if (!position || position->table != table.table || position->epoch != table.epoch ||
        table.older_than(*position))
        return std::string(unknown);
    return std::to_string(table.sequence - position->sequence);
}

// Whether it is current.
bool add_mirror(Rows &rows, const Store_address &address, const Settings &settings,
                const Position &table)
{
    const auto down = [&](const std::string &why) {
        rows.add({address.text(), "down", unknown, unknown, unknown, unknown, unknown, unknown,
                  unknown, unknown, unknown, why});
        return false;
    };
    const auto server = Memcached_text::connect(address);
    if (!server)
        return down(server.error().message);
    const Result<Memcached_text::Stats> stats = (*server)->stats();
    if (!stats)
        return down(stats.error().message);
    const auto reading = Mirror_reading::connect(address, settings.name_space);
    if (!reading)
        return down(reading.error().message);
    const Result<std::optional<Marker>> marker = (*reading)->marker();
    const std::string_view state = marker ? mirror_state(*marker, table) : "unreadable";
    const std::optional<Position> position =
        marker && *marker ? std::optional((*marker)->position) : std::nullopt;
    rows.add({address.text(), state, position ? format_position(*position) : std::string(unknown),
              text_of(*stats, "curr_items"), unknown, text_of(*stats, "evictions"),
              text_of(*stats, "bytes"), text_of(*stats, "limit_maxbytes"),
              std::to_string((*server)->latency()), transactions_behind(position, table), unknown,
              marker ? "" : marker.error().message});
    return state == "current";
}

// Whether it has followed the table.
bool add_proxy(Rows &rows, const Proxy_state &proxy, const Position &table)
{
    const std::string_view state = proxy_state_word(proxy, table);
    const std::optional<Proxy_report> &report = proxy.report;
    const std::optional<Position> position =
        report ? std::optional(report->position) : std::nullopt;
    rows.add({"proxy:" + proxy.name, state,
              position ? format_position(*position) : std::string(unknown), unknown, unknown,
              unknown, unknown, unknown, unknown, transactions_behind(position, table),
              report ? std::to_string(report_age(*report)) : std::string(unknown),
              report ? "" : proxy.why});
    return state == "current";
}

void add_counters(Rows &rows, const Proxy &proxy, const Doveadm_access &access)
{
    const Result<std::vector<Counter>> counters = counters_of(proxy, access);
    const auto add = [&](const std::string &what, std::string_view state, const std::string &count,
                         const std::string &latency, const std::string &why) {
        rows.add({"proxy:" + proxy.name + what, state, unknown, count, unknown, unknown, unknown,
                  unknown, latency, unknown, unknown, why});
    };
    if (!counters)
        return add("", "uncounted", std::string(unknown), std::string(unknown),
                   counters.error().message);
    for (const Counter &counter : *counters) {
        const std::string &average = counter.average_usec;
        add("/" + counter.metric, "counted", std::to_string(counter.count),
            average.empty() ? std::string(unknown) : average, "");
    }
}

int run_status(const Arguments &arguments)
{
    const std::optional<Configuration> configuration = configuration_of(arguments);
    if (!configuration)
        return exit_bad_config;
    const Settings &settings = configuration->settings;
    Result<std::unique_ptr<Table>> table = open_table(settings, Table::Mode::read);
    if (!table)
        return fail(exit_try_again, table.error().message);
    const Position position = (*table)->position();
    const Result<std::uint64_t> records = count_records(**table);
    const Result<std::uint64_t> journal = count_journal(settings);
    if (!records || !journal)
        return fail(exit_try_again, !records ? records.error().message : journal.error().message);

    const Doveadm_access access = doveadm_access();
    const auto counted = arguments.has("counters")
                             ? proxies_of(settings, access)
                             : Result<std::vector<Proxy>>(std::vector<Proxy>());
    if (!counted)
        return fail(exit_bad_config, counted.error().message);

    Rows rows("flow", {"store", "state", "position", "items", "journal", "evictions", "bytes",
                       "limit", "latency_us", "behind", "age", "why"});
    const Result<bool> follows = (*table)->follows();
    if (!follows)
        return fail(exit_try_again, follows.error().message);
    rows.add({settings.table, *follows ? "replica" : "table", format_position(position),
              std::to_string(*records), std::to_string(*journal), unknown, size_of(settings),
              std::to_string(settings.table_max_size), unknown, unknown, unknown,
              *follows ? follow_age(settings) : ""});
    bool current = true;
    for (const Store_address &address : settings.stores) {
        if (address.type == Store_address::Type::memcached)
            current = add_mirror(rows, address, settings, position) && current;
    }
    for (const Proxy_state &proxy : read_proxy_reports(*configuration, position))
        current = add_proxy(rows, proxy, position) && current;
    for (const Proxy &proxy : *counted)
        add_counters(rows, proxy, access);
    return current ? 0 : exit_try_again;
}

} // namespace

const Command status_command = {
    .name = "proxymap status",
    .usage = "[--config <settings file>] [--counters]",
    .parameters = {{"config", Parameter::Type::option}, {"counters", Parameter::Type::flag}},
    .run = run_status,
};

} // namespace proxymap
