#include "check_running.h"

#include "check_backends.h"
#include "check_mirrors.h"
#include "check_modules.h"
#include "check_passdbs.h"
#include "check_settings.h"
#include "check_sources.h"
#include "common.h"
#include "mirror_backends.h"

#include "core/assigned_here.h"

#include <algorithm>
#include <cstdio>
#include <ctime>
#include <sys/stat.h>
#include <unistd.h>

namespace proxymap {

namespace {

// On a terminal alone: a log or a pipe never sees it.
class Counter {
  public:
    explicit Counter(std::size_t all) : all_(all) {}
    ~Counter()
    {
        if (shown_)
            std::fputs("\r\033[K", stderr);
    }
    Counter(const Counter &) = delete;
    Counter &operator=(const Counter &) = delete;
    void show(std::size_t done)
    {
        if (isatty(STDERR_FILENO) == 0)
            return;
        std::fprintf(stderr, "\rbackends: %zu of %zu", done, all_);
        shown_ = true;
    }

  private:
    std::size_t all_;
    bool shown_ = false;
};

class Running_check {
  public:
    Running_check(const Configuration &configuration, const Running_config &config,
                  const Check_options &options)
        : configuration_(configuration), settings_(configuration.settings), config_(config),
          options_(options), now_(std::time(nullptr))
    {
    }

    Check_findings run()
    {
        check_modules(read_modules(config_, settings_), config_, findings_);
        check_login_plugins(config_, settings_, findings_);
        check_passdbs(config_, settings_, findings_);
        check_userdbs(config_, settings_, findings_);
        check_auth_cache(config_, settings_, findings_);
        check_settings(config_, settings_, findings_);
        check_policies(settings_, now_, findings_);
        look_at_stores();
        look_at_sources();
        return std::move(findings_);
    }

  private:
    void look_at_stores()
    {
        read_table();
        for (const Store_address &address : settings_.stores) {
            if (address.type == Store_address::Type::memcached)
                mirrors_.push_back(look_at_mirror(address, settings_));
        }
        // What follows another table has nothing to say about how far that one is.
        if (follows_ || !position_) {
            for (const Mirror_seen &mirror : mirrors_) {
                if (mirror.marker && mirror.marker->complete() &&
                    (!position_ || (mirror.marker->position.table == position_->table &&
                                    position_->older_than(mirror.marker->position))))
                    position_ = mirror.marker->position;
            }
        }
        for (const Mirror_seen &mirror : mirrors_)
            check_mirror(mirror, configuration_, position_, findings_);
        check_clocks(mirrors_,
                     position_ ? read_proxy_reports(configuration_, *position_)
                               : std::vector<Proxy_state>(),
                     table_written(), std::time(nullptr), findings_);
        if (!has_backends_)
            read_backends_of_mirrors();
    }

    void read_table()
    {
        const bool is_store = std::any_of(
            settings_.stores.begin(), settings_.stores.end(),
            [](const Store_address &store) { return store.type == Store_address::Type::lmdb; });
        Result<std::unique_ptr<Table>> table = find_table(settings_);
        if (!table || *table == nullptr) {
            if (is_store || !table)
                findings_.error("table " + settings_.table,
                                !table ? table.error().message
                                       : "there is none yet, and stores names it (lmdb)",
                                "import the map (doveadm proxymap import), follow another host's, "
                                "or take lmdb out of stores");
            return;
        }
        position_ = (*table)->position();
        const Result<bool> follows = (*table)->follows();
        follows_ = follows && *follows;
        const Result<Done> read = (*table)->for_each([this](const Record &record) {
            if (record.kind == Kind::backend) // they come first
                backends_.push_back(record);
            return record.kind == Kind::backend;
        });
        has_backends_ = read.ok();
        if (!read)
            findings_.error("table " + settings_.table, read.error().message,
                            "see what doveadm proxymap verify says");
    }

    std::optional<std::int64_t> table_written() const
    {
        struct stat status {};
        if (stat((settings_.table + "/data.mdb").c_str(), &status) < 0)
            return std::nullopt;
        return status.st_mtime;
    }

    void read_backends_of_mirrors()
    {
        for (const Mirror_seen &mirror : mirrors_) {
            if (!mirror.marker)
                continue;
            Result<std::vector<Record>> backends = read_mirror_backends(mirror.address, settings_);
            if (backends) {
                backends_ = std::move(*backends);
                has_backends_ = true;
                return;
            }
            findings_.note("mirror " + mirror.address.text(),
                           "the backends cannot be read from it: " + backends.error().message,
                           "run check on a host that has the table");
        }
    }

    void look_at_sources()
    {
        std::set<Service> services;
        for (const Running_protocol &protocol : config_.protocols) {
            const std::optional<Service> service = parse_service(protocol.name);
            if (service && settings_.backend_services.contains(*service))
                services.insert(*service);
        }
        const std::vector<Backend_target> targets =
            find_backend_targets(backends_, services, configuration_, config_.is_2_4);

        Assigned_here assigned;
        std::vector<Pool_seen> pools;
        for (const Source_pool &pool : settings_.source_pools)
            pools.push_back(look_at_pool(pool, look_up_name,
                                         [&assigned](const Ip &ip) { return assigned(ip); }));
        check_pools(pools, findings_);
        if (const std::optional<std::uint64_t> ports = read_port_count()) {
            Connection_counts counts = read_connections();
            add_usage(config_.base_dir, targets, pools, look_up_name, &counts);
            check_ports(targets, pools, counts, *ports, look_up_name, findings_);
        }

        const std::vector<Probe_question> questions =
            make_questions(targets, settings_, config_, findings_);
        if (!options_.connect)
            return;
        Counter counter(questions.size());
        const std::vector<Probe_answer> answers = probe_backends(
            questions, options_.limits, [&counter](std::size_t done) { counter.show(done); });
        check_backends(questions, answers, now_, options_.days, findings_);
    }

    const Configuration &configuration_;
    const Settings &settings_;
    const Running_config &config_;
    const Check_options &options_;
    const std::int64_t now_;
    Check_findings findings_;
    std::optional<Position> position_; // the newest known
    bool follows_ = false;
    std::vector<Mirror_seen> mirrors_;
    std::vector<Record> backends_;
    bool has_backends_ = false;
};

} // namespace

Check_findings check_running(const Configuration &configuration, const Running_config &config,
                             const Check_options &options)
{
    return Running_check(configuration, config, options).run();
}

} // namespace proxymap
