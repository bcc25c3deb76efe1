// MUST: a mirror says "complete" only when it holds the whole table, and nothing else, in what is
// in force there. MUST: what it holds of an older state is read wholly, or not at all: proxies stop
// reading it (state=behind) before a single record of it is changed, unless both versions of every
// record stand there until the marker flips.
#include "mirror_transfer.h"

#include "progress.h"

#include "core/journal.h"
#include "core/stored_value.h"
#include "store/fault_point.h"
#include "store/lmdb_layout.h"

#include <functional>
#include <utility>

namespace proxymap {

namespace {

// Entries of the journal that a mirror gets that did not follow: a proxy reads no more than it
// needs to know what changed.
constexpr std::size_t max_sent_journal_bytes = 4U << 20U;

class Transfer {
  public:
    Transfer(const std::string &names, Mirror_sink &sink, Table &table)
        : sink_(sink), table_(table), now_(table.position()), progress_(names)
    {
    }

    Result<Done> carry_out(const Mirror_plan &plan);
    std::uint64_t records() const { return records_; }

  private:
    Result<Done> change(const Mirror_plan &plan);
    Result<Done> catch_up(const Mirror_plan &plan);
    Result<Done> fill(const Mirror_plan &plan);
    Result<Done> tidy(const Mirror_plan &plan);

    Result<Done> for_each_change(const std::function<Result<Done>(const Table_change &)> &each);
    Result<Done> send_versions();
    Result<Done> send_keys(const std::vector<Key> &keys, std::string_view fault);
    Result<Done> send_all(std::string_view fault);
    Result<Done> send_entries(std::uint64_t first);
    Result<Done> sent(std::string_view fault);

    Mirror_sink &sink_;
    Table &table_;
    const Position now_;
    std::uint64_t records_ = 0;
    Progress progress_;
};

Result<Done> Transfer::carry_out(const Mirror_plan &plan)
{
    switch (plan.way) {
    case Mirror_way::none:
        return Done{};
    case Mirror_way::tidy:
        return tidy(plan);
    case Mirror_way::change:
        return change(plan);
    case Mirror_way::catch_up:
        return catch_up(plan);
    case Mirror_way::fill:
    case Mirror_way::refill:
        return fill(plan);
    }
    return Done{};
}

// Both versions, the journal, the marker, one version.
Result<Done> Transfer::change(const Mirror_plan &plan)
{
    if (auto done = send_versions(); !done)
        return done;
    if (auto done = sink_.acknowledge(); !done)
        return done;
    fault_point("versions-done");
    if (auto done = send_entries(now_.sequence); !done)
        return done;
    if (auto done = sink_.acknowledge(); !done)
        return done;
    fault_point("journal-done");
    if (auto done = sink_.write_marker({now_, Mirror_state::complete}); !done)
        return done;
    fault_point("marker-flipped");

    if (auto done = for_each_change([this](const Table_change &change) {
            const auto sent_one = change.after.empty()
                                      ? sink_.remove(change.key, stored_name(change.before), now_)
                                      : sink_.put(change.key, change.after);
            return sent_one ? sent("tidy-middle") : sent_one;
        });
        !done)
        return done;
    return tidy(plan); // what an earlier transaction left there
}

Result<Done> Transfer::tidy(const Mirror_plan &plan)
{
    auto done = plan.all ? send_all("tidy-middle") : send_keys(plan.keys, "tidy-middle");
    if (done)
        done = sink_.acknowledge();
    if (done)
        fault_point("tidy-done");
    return done;
}

Result<Done> Transfer::catch_up(const Mirror_plan &plan)
{
    if (auto done = sink_.write_marker(plan.start); !done)
        return done;
    fault_point("behind-marked");
    if (auto done = send_keys(plan.keys, "behind-middle"); !done)
        return done;
    if (auto done = send_entries(plan.start.position.sequence + 1); !done)
        return done;
    if (auto done = sink_.acknowledge(); !done)
        return done;
    fault_point("behind-done");
    return sink_.write_marker({now_, Mirror_state::complete});
}

Result<Done> Transfer::fill(const Mirror_plan &plan)
{
    auto start = plan.start;
    if (plan.way == Mirror_way::refill) {
        // Unless it had no marker, its old content is not read from here on.
        if (start.position != now_) {
            if (auto done = sink_.write_marker({start.position, Mirror_state::behind}); !done)
                return done;
        }
        if (auto done = sink_.make_empty(); !done)
            return done;
        fault_point("fill-flushed");
        start = {now_, Mirror_state::loading};
    }
    if (auto done = sink_.write_marker(start); !done)
        return done;
    fault_point("fill-marked");
    if (plan.way == Mirror_way::fill) {
        if (auto done = send_keys(plan.keys, {}); !done)
            return done;
        records_ = 0; // each of them that is not gone comes again
    }
    if (auto done = send_all("fill-middle"); !done)
        return done;
    if (auto done = send_entries(0); !done)
        return done;
    if (auto done = sink_.acknowledge(); !done)
        return done;
    fault_point("fill-done");
    if (auto done = sink_.write_marker({now_, Mirror_state::complete}); !done)
        return done;
    fault_point("fill-complete");
    return Done{};
}

Result<Done>
Transfer::for_each_change(const std::function<Result<Done>(const Table_change &)> &each)
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
Result<Done> Transfer::send_versions()
{
    const auto before = table_.before_commit();
    std::uint64_t count = 0;
    bool deletes = false;
    auto counted = table_.for_each_change([&](const Table_change &change) {
        deletes = deletes || change.after.empty();
        return ++count < 2;
    });
    if (!counted)
        return counted;
    const bool alone = count == 1 && !deletes;
    return for_each_change([&](const Table_change &change) -> Result<Done> {
        auto done =
            alone ? sink_.put(change.key, change.after) : sink_.put_versions(change, before, now_);
        if (done && fault_wanted("versions-middle")) {
            done = sink_.acknowledge();
            fault_point("versions-middle");
        }
        return done;
    });
}

Result<Done> Transfer::send_keys(const std::vector<Key> &keys, std::string_view fault)
{
    for (const Key &key : keys) {
        const auto record = table_.get(key.kind, key.name);
        if (!record)
            return record.error();
        const auto table_key = lmdb_key(key.kind, key.name);
        auto done =
            record->has_value()
                ? sink_.put(table_key, format_stored_record(**record))
                : sink_.remove(table_key, format_record({key.kind, key.name, {}, {}}), now_);
        if (done)
            done = sent(fault);
        if (!done)
            return done;
    }
    return Done{};
}

Result<Done> Transfer::send_all(std::string_view fault)
{
    Result<Done> done = Done{};
    const auto walked = table_.for_each_text([&](std::string_view key, std::string_view text) {
        done = sink_.put(key, text);
        if (done)
            done = sent(fault);
        return done.ok();
    });
    return walked ? done : walked;
}

// Of the positions from `first` on, as far back as a mirror keeps them.
Result<Done> Transfer::send_entries(std::uint64_t first)
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
        if (auto done = sink_.put_entry(entries.back().first, entries.back().second); !done)
            return done;
        entries.pop_back();
    }
    return Done{};
}

// One more record.
Result<Done> Transfer::sent(std::string_view fault)
{
    records_++;
    progress_.step();
    if (fault.empty() || !fault_wanted(fault))
        return Done{};
    auto done = sink_.acknowledge();
    fault_point(fault);
    return done;
}

} // namespace

Result<std::uint64_t> carry_out(const Mirror_plan &plan, const std::string &names,
                                Mirror_sink &sink, Table &table)
{
    Transfer transfer(names, sink, table);
    const auto done = transfer.carry_out(plan);
    return done ? Result<std::uint64_t>(transfer.records()) : done.error();
}

} // namespace proxymap
