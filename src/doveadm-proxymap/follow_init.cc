// MUST never make a replica of what somebody may still need: a table of this host's own goes only
// when the export is a later state of that very table.
#include "follow_init.h"

#include "common.h"
#include "progress.h"
#include "table_lock.h"
#include "writing.h"

#include "core/replica_file.h"
#include "store/lmdb_replica.h"

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <iostream>

namespace proxymap {

namespace {

// Why what is there must not be replaced by the export at that position. Empty: it may.
std::string why_kept(const Replica::State &state, const Position &exported)
{
    const Position &own = state.position;
    if (!own.known() || (!state.follows && !own.written()))
        return {};
    const bool same_table = own.table == exported.table;
    if (state.follows)
        return same_table && exported.older_than(own)
                   ? "the file is of position " + format_position(exported) +
                         ", and this replica is newer: it is at " + format_position(own)
                   : "";
    return same_table && own.older_than(exported)
               ? ""
               : "this host has a table of its own, at position " + format_position(own) +
                     ", and the file, of position " + format_position(exported) +
                     ", is no later state of it: if that table is to be given up, remove its "
                     "folder first";
}

class Init {
  public:
    Init(const Settings &settings, std::istream &in, const std::string &name, bool dry_run)
        : settings_(settings), stream_(in), name_(name), dry_run_(dry_run), text_(in),
          file_(text_, settings.key_case)
    {
    }
    int run();

  private:
    Result<Done> open();
    int read_all();
    int refuse(const std::string &why) const;

    const Settings &settings_;
    std::istream &stream_;
    const std::string &name_;
    const bool dry_run_;
    Text_input text_;
    Replica_file_reader file_;
    std::unique_ptr<Replica> replica_; // null: a dry run where there is none
    std::optional<Table_lock> lock_;
};

int Init::refuse(const std::string &why) const
{
    return fail(exit_bad_data,
                name_ + ":" + std::to_string(file_.line()) + ": " + why + ": nothing was changed");
}

Result<Done> Init::open()
{
    if (dry_run_ && table_is_absent(settings_))
        return Done{};
    auto replica = Replica::open(table_config(settings_));
    if (!replica)
        return replica.error();
    replica_ = std::move(*replica);
    auto lock = Table_lock::take(settings_.table);
    if (!lock)
        return lock.error();
    lock_.emplace(std::move(*lock));
    return Done{};
}

// Up to the commit. An exit code.
int Init::read_all()
{
    Progress progress(name_);
    for (;;) {
        const auto entry = file_.next();
        if (!entry)
            return refuse(entry.error().message);
        if (!*entry)
            return 0;
        progress.step();
        if (dry_run_)
            continue;
        const Record &record = (*entry)->record;
        if (const auto done = replica_->put(record.kind, record.name, (*entry)->text); !done)
            return fail(exit_try_again, done.error().message);
    }
}

int Init::run()
{
    const auto position = file_.start();
    if (!position)
        return refuse(position.error().message);
    if (const auto opened = open(); !opened)
        return fail(exit_try_again, opened.error().message);
    Result<Done> done = Done{};
    if (!dry_run_)
        done = replica_->begin();
    if (done && replica_) {
        const auto state = replica_->state();
        if (state) {
            if (const std::string why = why_kept(*state, *position); !why.empty())
                return fail(exit_bad_data, settings_.table + ": " + why);
        } else {
            done = state.error();
        }
    }
    if (done && !dry_run_)
        done = replica_->clear();
    if (!done)
        return fail(exit_try_again, done.error().message);
    if (const int code = read_all(); code != 0)
        return code;
    if (text_.failed() || (&stream_ == &std::cin && std::ferror(stdin) != 0))
        return fail(exit_no_input, name_ + ": cannot be read to its end: nothing was changed");
    if (!dry_run_)
        done = replica_->commit(*position);
    if (!done)
        return fail(exit_try_again, done.error().message);
    std::printf("%s: replica of %llu records (position %s)%s\n", settings_.table.c_str(),
                static_cast<unsigned long long>(file_.records()),
                format_position(*position).c_str(),
                dry_run_ ? " (dry run: nothing was changed)" : "");
    return 0;
}

} // namespace

int make_replica(const Configuration &configuration, const std::string &file, bool dry_run)
{
    die_on_signals(); // before the commit nothing has happened
    if (file == "-")
        return Init(configuration.settings, std::cin, file, dry_run).run();
    std::ifstream in(file, std::ios::binary);
    if (!in)
        return fail(exit_no_input, file + ": cannot be opened: " + strerror(errno));
    return Init(configuration.settings, in, file, dry_run).run();
}

} // namespace proxymap
