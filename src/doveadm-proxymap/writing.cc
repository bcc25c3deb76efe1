#include "writing.h"

#include "dry_table.h"

#include <cstdio>
#include <sys/stat.h>

namespace proxymap {

bool table_is_absent(const Settings &settings)
{
    const Result<std::unique_ptr<Table>> table = find_table(settings);
    return table && *table == nullptr;
}

Result<Locked_table> open_locked_table(const Settings &settings, Table::Mode mode)
{
    Locked_table locked;
    struct stat status {};
    const bool is_new = stat(settings.table.c_str(), &status) < 0;
    if (!is_new) {
        Result<Table_lock> lock = Table_lock::take(settings.table);
        if (!lock)
            return lock.error();
        locked.lock.emplace(std::move(*lock));
    }
    Result<std::unique_ptr<Table>> table = open_table(settings, mode);
    if (!table)
        return table.error();
    locked.table = std::move(*table);
    if (is_new) {
        Result<Table_lock> lock = Table_lock::take(settings.table);
        if (!lock)
            return lock.error();
        locked.lock.emplace(std::move(*lock));
    }
    return locked;
}

std::unique_ptr<Writing> Writing::begin(const Configuration &configuration, bool dry_run,
                                        int *code_r)
{
    return begin(std::unique_ptr<Writing>(new Writing(configuration, dry_run, false)), code_r);
}

std::unique_ptr<Writing> Writing::begin_promotion(const Configuration &configuration, bool dry_run,
                                                  int *code_r)
{
    return begin(std::unique_ptr<Writing>(new Writing(configuration, dry_run, true)), code_r);
}

std::unique_ptr<Writing> Writing::begin(std::unique_ptr<Writing> writing, int *code_r)
{
    const Result<Done> begun =
        writing->dry_run_ ? writing->begin_reading() : writing->begin_writing();
    if (begun)
        return writing;
    *code_r = fail(writing->code_, begun.error().message);
    return nullptr;
}

// Asked before any mirror is: a replica says so itself.
Result<Done> Writing::is_the_host()
{
    if (promotes_)
        return Done{};
    if (Result<Done> own = must_not_follow(configuration_.settings, *table_); !own) {
        code_ = exit_not_host;
        return own;
    }
    Result<Done> allowed = may_write(configuration_, table_->position());
    if (!allowed)
        code_ = exit_not_host;
    return allowed;
}

std::unique_ptr<Writing> Writing::begin_on(const Configuration &configuration, const Key &key,
                                           bool dry_run, Record *record_r, int *code_r)
{
    const auto absent = [&] {
        *code_r = fail(exit_no_record,
                       label(key) + ": no such record in " + configuration.settings.table);
        return nullptr;
    };
    if (table_is_absent(configuration.settings)) // and is not to be made for this
        return absent();
    std::unique_ptr<Writing> writing = begin(configuration, dry_run, code_r);
    if (!writing)
        return nullptr;
    const Result<std::optional<Record>> found = writing->table().get(key.kind, key.name);
    if (!found) {
        *code_r = fail(exit_try_again, found.error().message);
        return nullptr;
    }
    if (!found->has_value())
        return absent();
    *record_r = **found;
    return writing;
}

Result<Done> Writing::begin_reading()
{
    Result<std::unique_ptr<Table>> found = find_table(configuration_.settings);
    if (!found)
        return found.error();
    const bool is_new = *found == nullptr;
    table_ = make_dry_table(std::move(*found));
    return is_new ? Done{} : is_the_host();
}

Result<Done> Writing::begin_writing()
{
    // Killed before the commit, nothing has happened; later, the next update of the mirrors
    // finishes what was begun.
    die_on_signals();
    Result<Locked_table> opened = open_locked_table(configuration_.settings, Table::Mode::write);
    if (!opened)
        return opened.error();
    lock_.emplace(std::move(*opened->lock));
    table_ = std::move(opened->table);
    if (Result<Done> allowed = is_the_host(); !allowed)
        return allowed;
    return table_->begin();
}

Writing::~Writing()
{
    if (table_)
        table_->abort(); // does nothing after finish()
}

int Writing::finish(const std::string &what, bool changed)
{
    if (dry_run_) {
        std::printf("%s: %s (dry run: nothing was changed)\n",
                    configuration_.settings.table.c_str(), what.c_str());
        return 0;
    }
    if (changed) {
        if (const Result<Position> committed = table_->commit(); !committed)
            return fail(exit_try_again, committed.error().message);
    } else {
        table_->abort(); // the position stays
    }
    std::printf("%s: %s (position %s)\n", configuration_.settings.table.c_str(), what.c_str(),
                format_position(table_->position()).c_str());
    std::fflush(stdout); // before minutes of writing to mirrors
    const Result<std::vector<Mirror_report>> reports = update_mirrors(configuration_, *table_);
    if (!reports)
        return fail(exit_try_again, reports.error().message);
    if (!print_mirrors(*reports))
        return fail(exit_try_again,
                    std::string(changed ? "the table has the change, but not every mirror"
                                        : "not every mirror is at the table's position") +
                        ": run doveadm proxymap sync when the failed ones are back");
    return 0;
}

bool print_mirrors(const std::vector<Mirror_report> &reports, bool quiet)
{
    bool all = true;
    for (const Mirror_report &report : reports) {
        if (report.error) {
            report_error(report.error->message);
            all = false;
        } else if (!quiet || report.way != Mirror_way::none) {
            std::printf("%s: %s\n", report.mirror.c_str(), report.done.c_str());
        }
    }
    return all;
}

} // namespace proxymap
