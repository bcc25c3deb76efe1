// MUST: a mirror says "complete" only when it holds the whole table, and nothing else, in what is
// in force there. MUST: what it holds of an older state is read wholly, or not at all: proxies stop
// reading it (state=behind) before a single record of it is changed, unless both versions of every
// record stand there until the marker flips.
#include "mirror_update.h"

#include "mirror_reading.h"
#include "progress.h"

#include "core/journal.h"
#include "core/stored_value.h"
#include "store/fault_point.h"
#include "store/lmdb_layout.h"

#include <algorithm>
#include <set>
#include <utility>

namespace proxymap {

namespace {

// Entries of the journal that a mirror gets that did not follow: a proxy reads no more than it
// needs to know what changed.
constexpr std::size_t max_sent_journal_bytes = 4U << 20U;

// What an update of a mirror is to do.
struct Plan {
    Mirror_way way = Mirror_way::none;
    std::vector<Key> keys; // catch_up, tidy: all; fill: those that may be in it and be gone
    bool all = false;      // tidy: any record may have two versions
    Marker start;          // while it is under way, unless `change`
};

// Whether the mirror may hold records that this table does not know of.
bool is_foreign(const Position &held, const Position &table)
{
    return held.table != table.table || table.older_than(held);
}

Error foreign(const std::string &name, const Position &held, const Position &table)
{
    if (held.table == table.table && held.epoch > table.epoch)
        return Error{name + ": another host is the table's host (position " +
                     format_position(held) + ", this table is at " + format_position(table) +
                     "): write there, or make this host the table's with `doveadm proxymap "
                     "promote`"};
    return Error{name + ": holds records of another or a newer table (position " +
                 format_position(held) + ", this table is at " + format_position(table) +
                 "): if this table is the right one, empty the mirror first (flush_all)"};
}

class Update {
  public:
    Update(const std::string &name, Mirror_writer &writer, Table &table,
           const std::optional<Mirror_note> &note, Mirror_report &report)
        : name_(name), writer_(writer), table_(table), note_(note), report_(report),
          now_(table.position()), progress_(name)
    {
    }

    Result<Plan> plan();
    Result<Done> carry_out(const Plan &plan);
    Result<std::uint64_t> count(const Plan &plan);

  private:
    Result<Plan> plan_empty();
    Result<Plan> plan_from(const Marker &held);
    Result<Plan> plan_tidy();
    Position finished() const { return note_ ? note_->finished : Position{}; }

    Result<Done> change();
    Result<Done> catch_up(const Plan &plan);
    Result<Done> fill(const Plan &plan);
    Result<Done> tidy(const Plan &plan);

    Result<Done> for_each_change(const std::function<Result<Done>(const Table_change &)> &each);
    Result<Done> send_versions();
    Result<Done> send_keys(const std::vector<Key> &keys, std::string_view fault);
    Result<Done> send_all(std::string_view fault);
    Result<Done> send_entries(std::uint64_t first);
    Result<Done> sent(std::string_view fault);

    const std::string &name_;
    Mirror_writer &writer_;
    Table &table_;
    const std::optional<Mirror_note> &note_;
    Mirror_report &report_;
    const Position now_;
    Progress progress_;
};

Result<Plan> Update::plan()
{
    const auto held = writer_.read_marker();
    if (!held)
        return held.error();
    if (!*held)
        return plan_empty();
    if (is_foreign((*held)->position, now_))
        return foreign(name_, (*held)->position, now_);
    return plan_from(**held);
}

// Without a marker. A server that holds things of others is no mirror's fault, but one that this
// table has written to, and that has lost its marker alone, may hold what the table has not.
Result<Plan> Update::plan_empty()
{
    const auto empty = writer_.is_empty();
    if (!empty)
        return empty.error();
    const Marker start{now_, Mirror_state::loading};
    if (*empty)
        return Plan{Mirror_way::fill, {}, false, start};
    if (note_)
        return Plan{Mirror_way::refill, {}, false, start};
    // Until a promote(), whatever this table wrote was written here, and is noted here.
    if (now_.epoch == 1)
        return Plan{Mirror_way::fill, {}, false, start};
    return Error{name_ + ": has no marker, but is not empty: if it is a mirror, restart it "
                         "first"};
}

Result<Plan> Update::plan_from(const Marker &held)
{
    if (held.complete() && held.position == now_)
        return plan_tidy();
    if (held.complete() && held.position == table_.before_commit())
        return Plan{Mirror_way::change, {}, false, {}};

    // Versions that an older transaction left there are in the same list, when it goes back so far.
    auto changes = finished().known() && finished().older_than(held.position)
                       ? table_.changes_since(finished())
                       : table_.changes_since(held.position);
    if (changes && changes->reset)
        changes = table_.changes_since(held.position);
    if (!changes)
        return changes.error();
    Plan plan;
    plan.keys = std::move(changes->keys);
    // The position stays that of the oldest record that may still be there.
    plan.start = {held.position, held.state == Mirror_state::loading ? Mirror_state::loading
                                                                     : Mirror_state::behind};
    if (changes->reset)
        plan.way = Mirror_way::refill;
    else
        plan.way = held.state == Mirror_state::loading ? Mirror_way::fill : Mirror_way::catch_up;
    return plan;
}

// Nothing to tidy in a mirror that was filled and never changed since, or that is noted as done.
Result<Plan> Update::plan_tidy()
{
    if (!finished().known() || finished() == now_)
        return Plan{};
    auto changes = table_.changes_since(finished());
    if (!changes)
        return changes.error();
    return Plan{Mirror_way::tidy, std::move(changes->keys), changes->reset, {}};
}

Result<std::uint64_t> Update::count(const Plan &plan)
{
    std::uint64_t count = 0;
    const auto one = [&count](auto &&...) {
        count++;
        return true;
    };
    Result<Done> counted = Done{};
    if (plan.way == Mirror_way::change)
        counted = table_.for_each_change(one);
    else if (plan.all || plan.way == Mirror_way::fill || plan.way == Mirror_way::refill)
        counted = table_.for_each_text(one);
    else
        count = plan.keys.size();
    return counted ? Result<std::uint64_t>(count) : counted.error();
}

Result<Done> Update::carry_out(const Plan &plan)
{
    // From now on, what that server holds may be this table's.
    if (!note_ && plan.way != Mirror_way::none) {
        if (auto noted = table_.note_mirrors({{name_, Position{}}}); !noted)
            return noted;
    }
    switch (plan.way) {
    case Mirror_way::none:
        return Done{};
    case Mirror_way::tidy:
        return tidy(plan);
    case Mirror_way::change:
        return change();
    case Mirror_way::catch_up:
        return catch_up(plan);
    case Mirror_way::fill:
    case Mirror_way::refill:
        return fill(plan);
    }
    return Done{};
}

// Both versions, the journal, the marker, one version.
Result<Done> Update::change()
{
    if (auto done = send_versions(); !done)
        return done;
    if (auto done = writer_.acknowledge(); !done)
        return done;
    fault_point("versions-done");
    if (auto done = send_entries(now_.sequence); !done)
        return done;
    if (auto done = writer_.acknowledge(); !done)
        return done;
    fault_point("journal-done");
    if (auto done = writer_.write_marker({now_, Mirror_state::complete}); !done)
        return done;
    fault_point("marker-flipped");

    if (auto done = for_each_change([this](const Table_change &change) {
            const auto sent_one = change.after.empty()
                                      ? writer_.remove(change.key, stored_name(change.before), now_)
                                      : writer_.put(change.key, change.after);
            return sent_one ? sent("tidy-middle") : sent_one;
        });
        !done)
        return done;
    // What an earlier transaction left there in two versions goes, too.
    const Result<Plan> left = finished() == table_.before_commit() ? Plan{} : plan_tidy();
    if (!left)
        return left.error();
    return tidy(*left);
}

Result<Done> Update::tidy(const Plan &plan)
{
    auto done = plan.all ? send_all("tidy-middle") : send_keys(plan.keys, "tidy-middle");
    if (done)
        done = writer_.acknowledge();
    if (done)
        fault_point("tidy-done");
    return done;
}

Result<Done> Update::catch_up(const Plan &plan)
{
    if (auto done = writer_.write_marker(plan.start); !done)
        return done;
    fault_point("behind-marked");
    if (auto done = send_keys(plan.keys, "behind-middle"); !done)
        return done;
    if (auto done = send_entries(plan.start.position.sequence + 1); !done)
        return done;
    if (auto done = writer_.acknowledge(); !done)
        return done;
    fault_point("behind-done");
    return writer_.write_marker({now_, Mirror_state::complete});
}

Result<Done> Update::fill(const Plan &plan)
{
    auto start = plan.start;
    if (plan.way == Mirror_way::refill) {
        // Unless it had no marker, its old content is not read from here on.
        if (start.position != now_) {
            if (auto done = writer_.write_marker({start.position, Mirror_state::behind}); !done)
                return done;
        }
        if (auto done = writer_.make_empty(); !done)
            return done;
        fault_point("fill-flushed");
        start = {now_, Mirror_state::loading};
    }
    if (auto done = writer_.write_marker(start); !done)
        return done;
    fault_point("fill-marked");
    if (plan.way == Mirror_way::fill) {
        if (auto done = send_keys(plan.keys, {}); !done)
            return done;
        report_.records = 0; // each of them that is not gone comes again
    }
    if (auto done = send_all("fill-middle"); !done)
        return done;
    if (auto done = send_entries(0); !done)
        return done;
    if (auto done = writer_.acknowledge(); !done)
        return done;
    fault_point("fill-done");
    if (auto done = writer_.write_marker({now_, Mirror_state::complete}); !done)
        return done;
    fault_point("fill-complete");
    return Done{};
}

Result<Done> Update::for_each_change(const std::function<Result<Done>(const Table_change &)> &each)
{
    Result<Done> done = Done{};
    const auto walked = table_.for_each_change([&](const Table_change &change) {
        done = each(change);
        return done.ok();
    });
    return walked ? done : walked;
}

// Of one record alone there is nothing that could be mixed with it: its new version is written at
// once. But a delete must not be in force before the marker, for it could not be told from a miss.
Result<Done> Update::send_versions()
{
    const auto before = table_.before_commit();
    std::uint64_t count = 0;
    bool deletes = false;
    const auto counted = table_.for_each_change([&](const Table_change &change) {
        deletes = deletes || change.after.empty();
        return ++count < 2;
    });
    if (!counted)
        return counted;
    const bool alone = count == 1 && !deletes;
    return for_each_change([&](const Table_change &change) -> Result<Done> {
        auto done = alone ? writer_.put(change.key, change.after)
                          : writer_.put_versions(change, before, now_);
        if (done && fault_wanted("versions-middle")) {
            done = writer_.acknowledge();
            fault_point("versions-middle");
        }
        return done;
    });
}

Result<Done> Update::send_keys(const std::vector<Key> &keys, std::string_view fault)
{
    for (const Key &key : keys) {
        const auto record = table_.get(key.kind, key.name);
        if (!record)
            return record.error();
        const auto table_key = lmdb_key(key.kind, key.name);
        auto done =
            record->has_value()
                ? writer_.put(table_key, format_stored_record(**record))
                : writer_.remove(table_key, format_record({key.kind, key.name, {}, {}}), now_);
        if (done)
            done = sent(fault);
        if (!done)
            return done;
    }
    return Done{};
}

Result<Done> Update::send_all(std::string_view fault)
{
    Result<Done> done = Done{};
    const auto walked = table_.for_each_text([&](std::string_view key, std::string_view text) {
        done = writer_.put(key, text);
        if (done)
            done = sent(fault);
        return done.ok();
    });
    return walked ? done : walked;
}

// Of the positions from `first` on, as far back as a mirror keeps them.
Result<Done> Update::send_entries(std::uint64_t first)
{
    std::vector<std::pair<Position, std::string>> entries;
    std::size_t bytes = 0;
    for (Position at = now_;
         at.sequence >= first && at.sequence > 0 && entries.size() < mirror_journal_entries &&
         bytes < max_sent_journal_bytes;
         at.sequence--) {
        auto text = table_.journal_text(at);
        if (!text)
            return text.error();
        if (!*text)
            break;
        bytes += (*text)->size();
        entries.emplace_back(at, std::move(**text));
    }
    while (!entries.empty()) {
        if (auto done = writer_.put_entry(entries.back().first, entries.back().second); !done)
            return done;
        entries.pop_back();
    }
    return Done{};
}

// One more record.
Result<Done> Update::sent(std::string_view fault)
{
    report_.records++;
    progress_.step();
    if (fault.empty() || !fault_wanted(fault))
        return Done{};
    auto done = writer_.acknowledge();
    fault_point(fault);
    return done;
}

std::string records(std::uint64_t count)
{
    return std::to_string(count) + (count == 1 ? " record" : " records");
}

std::string describe(Mirror_way way, std::uint64_t count, bool dry_run)
{
    const std::string what = records(count) + (dry_run ? " to send" : " sent");
    switch (way) {
    case Mirror_way::none:
        return "current";
    case Mirror_way::tidy:
        return what + " (it was current, an update had not ended)";
    case Mirror_way::change:
        return what;
    case Mirror_way::catch_up:
        return what + " (it was behind)";
    case Mirror_way::fill:
        return what + " (the whole table)";
    case Mirror_way::refill:
        return what + (dry_run ? " (the whole table, after emptying it)"
                               : " (the whole table; it was emptied first)");
    }
    return what;
}

} // namespace

Mirror_report update_mirror(const std::string &name, Mirror_writer &writer, Table &table,
                            const std::optional<Mirror_note> &note, bool dry_run)
{
    Mirror_report report;
    report.mirror = name;
    Update update(name, writer, table, note, report);
    const auto plan = update.plan();
    if (!plan) {
        report.error = plan.error();
        return report;
    }
    report.way = plan->way;
    if (dry_run) {
        const auto count = update.count(*plan);
        if (!count)
            report.error = count.error();
        else
            report.records = *count;
    } else if (const auto done = update.carry_out(*plan); !done) {
        report.error = done.error();
    }
    if (!report.error)
        report.done = describe(report.way, report.records, dry_run);
    return report;
}

Result<std::vector<Mirror_report>> update_mirrors(const Configuration &configuration, Table &table,
                                                  bool dry_run)
{
    const auto &settings = configuration.settings;
    const auto now = table.position();
    // An empty map would be in force there, and everybody unknown.
    if (!now.written())
        return Error{settings.table +
                     ": the table was created, but nothing was ever written to it: "
                     "no mirror is touched"};
    std::vector<Mirror_report> reports;
    std::vector<Mirror_note> finished;
    for (const auto &address : settings.stores) {
        if (address.type != Store_address::Type::memcached)
            continue;
        const std::string name = address.text();
        const auto note = table.mirror_note(name);
        if (!note)
            return note.error();
        const auto writer =
            Mirror_writer::connect(address, settings.name_space, configuration.seal_keys);
        if (!writer) {
            reports.push_back({name, writer.error(), {}, 0, {}});
            continue;
        }
        reports.push_back(update_mirror(name, **writer, table, *note, dry_run));
        if (!reports.back().error && !(*note && (*note)->finished == now))
            finished.push_back({name, now});
    }
    // Once for all of them: each costs the disk a write.
    if (!dry_run && !finished.empty()) {
        if (const auto noted = table.note_mirrors(finished); !noted)
            return noted.error();
    }
    return reports;
}

Result<Done> may_write(const Configuration &configuration, const Position &table)
{
    for (const auto &address : configuration.settings.stores) {
        if (address.type != Store_address::Type::memcached)
            continue;
        const auto reading = Mirror_reading::connect(address, configuration.settings.name_space);
        if (!reading)
            continue;
        const auto held = (*reading)->marker();
        if (held && *held && is_foreign((*held)->position, table))
            return foreign(address.text(), (*held)->position, table);
    }
    return Done{};
}

} // namespace proxymap
