// See moving.h.
#include "moving.h"

#include "move_records.h"
#include "progress.h"
#include "record_checks.h"

#include "core/journal.h"
#include "core/record_build.h"

#include <algorithm>
#include <cstdio>
#include <utility>

namespace proxymap {

namespace {

std::string users(std::uint64_t count)
{
    return std::to_string(count) + (count == 1 ? " user" : " users");
}

} // namespace

Moving::Moving(const Configuration &configuration, Task task)
    : configuration_(configuration), task_(std::move(task))
{
}

std::unique_ptr<Writing> Moving::begin(int *code_r)
{
    if (table_is_absent(configuration_.settings)) { // and is not to be made for this
        *code_r = fail(exit_no_record, no_table_yet(configuration_.settings));
        return nullptr;
    }
    std::unique_ptr<Writing> writing = Writing::begin(configuration_, task_.dry_run, code_r);
    if (!writing || task_.to.empty())
        return writing;
    bool failed = false;
    const Record probe{Kind::user, "x", {{Field_id::backend, Service::any, "", task_.to}}, {}};
    if (const Result<Done> known = check_backends(writing->table(), probe, &failed); !known) {
        *code_r = fail(failed ? exit_try_again : exit_bad_data, known.error().message);
        return nullptr;
    }
    return writing;
}

int Moving::hold(std::optional<Position> *position_r)
{
    int code = 0;
    const std::unique_ptr<Writing> writing = begin(&code);
    if (!writing)
        return code;
    count_ = 0;
    journal_bytes_ = 0;
    code = change_all(
        writing->table(), [this](const Record &record) { return held(record); }, &count_);
    if (code != 0)
        return code;
    if (task_.by_name && !can_be_named())
        return fail(exit_bad_data,
                    users(count_) +
                        " at once are too many for --kick, nothing was changed: "
                        "proxies are told " +
                        std::to_string(max_journal_keys) +
                        " names at most, and might take the old route of others in an outage; "
                        "name fewer users in one command");
    return finish(*writing, users(count_) + (task_.dry_run ? " to be moved" : " on hold"),
                  count_ > 0, position_r);
}

Result<Moving::Changed> Moving::held(const Record &record)
{
    longest_timeout_ = std::max(longest_timeout_, longest_proxy_timeout(record));
    if (record.kind != Kind::user)
        return Changed{};
    if (!task_.to.empty()) {
        const Result<Record> moved = move_to(record, task_.from, task_.to);
        if (!moved)
            return moved.error();
        if (is_there(record, *moved))
            return Changed{};
    }
    for (const Record_field &field : record.fields) {
        if (field.id == Field_id::user)
            also_.insert(fold_name(field.value, configuration_.settings.key_case));
    }
    if (task_.from.empty())
        theirs_.insert(record.name);
    if (is_on_hold(record))
        held_before_.insert(record.name);
    return Changed{Changed::Act::put, put_on_hold(record)};
}

// Says so.
bool Moving::is_there(const Record &record, const Record &moved) const
{
    if (!same_fields(moved, record) || made_.contains(record.name))
        return false;
    std::printf("%s is on %s already\n", record.name.c_str(), task_.to.c_str());
    return true;
}

int Moving::open(bool held, std::optional<Position> *position_r)
{
    int code = 0;
    const std::unique_ptr<Writing> writing = begin(&code);
    if (!writing)
        return code;
    std::uint64_t count = 0;
    code = change_all(
        writing->table(), [this, held](const Record &record) { return opened(record, held); },
        &count);
    if (code != 0)
        return code;
    if (changed_meanwhile_ > 0)
        std::printf("%s not moved: somebody else has changed the record meanwhile\n",
                    users(changed_meanwhile_).c_str());
    return finish(*writing, users(count) + " moved to " + task_.to, count > 0, position_r);
}

Result<Moving::Changed> Moving::opened(const Record &record, bool held)
{
    if (record.kind != Kind::user)
        return Changed{};
    if (held && task_.from.empty() && !theirs_.contains(record.name))
        return Changed{}; // was there already
    if (held && !is_on_hold(record)) {
        ++changed_meanwhile_;
        return Changed{};
    }
    Result<Record> moved = move_to(record, task_.from, task_.to);
    if (!moved)
        return moved.error();
    if (is_there(record, *moved))
        return Changed{};
    return Changed{Changed::Act::put, std::move(*moved)};
}

int Moving::put_back(std::optional<Position> *position_r)
{
    int code = 0;
    const std::unique_ptr<Writing> writing = begin(&code);
    if (!writing)
        return code;
    std::uint64_t count = 0;
    code = change_all(
        writing->table(), [this](const Record &record) { return put_back(record); }, &count);
    if (code != 0)
        return code;
    return finish(*writing, users(count) + " put back where they were", count > 0, position_r);
}

Result<Moving::Changed> Moving::put_back(const Record &record)
{
    const bool is_mine = record.kind == Kind::user && is_on_hold(record) &&
                         !held_before_.contains(record.name) &&
                         (!task_.from.empty() || theirs_.contains(record.name));
    if (!is_mine)
        return Changed{};
    return Changed{made_.contains(record.name) ? Changed::Act::remove : Changed::Act::put,
                   take_off_hold(record)};
}

// All records of the task, and those of backends. An exit code; reports errors.
int Moving::change_all(Table &table, const Change &change, std::uint64_t *count_r)
{
    if (task_.from.empty())
        return change_named(table, change, count_r);
    Progress progress("move");
    std::optional<Error> error;
    std::vector<std::string> others;
    std::uint64_t other_count = 0;
    const Result<Done> walked = table.for_each([&](const Record &record) {
        progress.step();
        const bool named = is_on(record, task_.from);
        if (named && record.kind != Kind::user && ++other_count <= 5)
            others.push_back(label({record.kind, record.name}));
        if (record.kind != Kind::backend && (!named || record.kind != Kind::user))
            return true;
        const Result<Changed> changed = change(record);
        const Result<Done> done =
            changed ? apply(table, *changed, count_r) : Result<Done>(changed.error());
        if (!done)
            error = Error{record.name + ": " + done.error().message};
        return done.ok();
    });
    progress.end();
    if (!walked || error)
        return fail(exit_try_again, error ? error->message : walked.error().message);
    if (other_count > 0 && !std::exchange(told_of_others_, true))
        std::printf("%s: named by %s too; users without a record of their own are not moved\n",
                    task_.from.c_str(), first_ones(others, other_count).c_str());
    return 0;
}

int Moving::change_named(Table &table, const Change &change, std::uint64_t *count_r)
{
    int code = 0;
    std::optional<Error> error;
    const Result<Done> walked = table.for_each([&](const Record &record) {
        if (record.kind == Kind::backend)
            (void)change(record);
        return record.kind == Kind::backend; // they come first
    });
    if (!walked)
        return fail(exit_try_again, walked.error().message);
    for (const std::string &user : task_.users) {
        const Result<std::optional<Record>> record = record_of(table, user);
        if (!record)
            return fail(exit_try_again, record.error().message);
        if (!*record && theirs_.contains(user)) {
            ++changed_meanwhile_;
            continue;
        }
        if (!*record) {
            code = fail(exit_no_record,
                        user + ": there is no record of it, of its domain, or by default");
            continue;
        }
        const Result<Changed> changed = change(**record);
        if (!changed) {
            code = fail(exit_bad_data, label({Kind::user, user}) + ": " + changed.error().message);
            continue;
        }
        if (const Result<Done> done = apply(table, *changed, count_r); !done)
            return fail(exit_try_again, done.error().message);
    }
    return code;
}

Result<Done> Moving::apply(Table &table, const Changed &changed, std::uint64_t *count_r)
{
    if (changed.act == Changed::Act::nothing)
        return Done{};
    ++*count_r;
    journal_bytes_ += format_journal_line(changed.record.kind, changed.record.name).size();
    if (changed.act == Changed::Act::remove)
        return table.remove(Kind::user, changed.record.name);
    if (Result<Done> right = check_record(changed.record); !right)
        return right;
    return table.put(changed.record);
}

// A mirror's parts hold whole lines, so the last one of them may be needed for what the others
// lack.
bool Moving::can_be_named() const
{
    return count_ <= max_journal_keys &&
           journal_bytes_ <= (max_journal_parts - 1) * max_journal_part_bytes;
}

// Its own, or the one that it is to get.
Result<std::optional<Record>> Moving::record_of(Table &table, const std::string &user)
{
    Result<std::optional<Record>> own = table.get(Kind::user, user);
    if (!own || *own || theirs_.contains(user)) // deleted meanwhile: it gets no new one
        return own;
    const Result<std::optional<Inherited>> inherited = inherit_record(table, user);
    if (!inherited)
        return inherited.error();
    if (!*inherited)
        return std::optional<Record>();
    made_.insert(user);
    std::printf("%s has no record of its own: it gets one, with the fields of %s\n", user.c_str(),
                label({(*inherited)->kind, (*inherited)->name}).c_str());
    return std::optional((*inherited)->record);
}

int Moving::finish(Writing &writing, const std::string &what, bool changed,
                   std::optional<Position> *position_r)
{
    const Position before = writing.table().position();
    const int code = writing.finish(what, changed);
    const Position now = writing.table().position();
    if (code == 0 || (changed && before.older_than(now)))
        *position_r = now;
    return code;
}

Result<bool> Moving::is_theirs(const std::string &user)
{
    const std::string name = fold_name(user, configuration_.settings.key_case);
    if (theirs_.contains(name) || also_.contains(name))
        return true;
    if (task_.from.empty())
        return false;
    if (!reading_) {
        Result<std::unique_ptr<Table>> table =
            open_table(configuration_.settings, Table::Mode::read);
        if (!table)
            return table.error();
        reading_ = std::move(*table);
    }
    const Result<std::optional<Record>> record = reading_->get(Kind::user, name);
    if (!record)
        return record.error();
    return *record && is_on(**record, task_.from) && is_on_hold(**record);
}

std::vector<std::string> Moving::session_names() const
{
    std::vector<std::string> names(theirs_.begin(), theirs_.end());
    names.insert(names.end(), also_.begin(), also_.end());
    return names;
}

} // namespace proxymap
