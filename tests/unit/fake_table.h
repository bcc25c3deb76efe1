// A table in memory, at position 2, for the tests of the tool. Without transactions, journal and
// mirrors.
#pragma once

#include "core/route.h"
#include "store/lmdb_table.h"

#include <map>
#include <string>

namespace proxymap {

constexpr std::uint64_t our_table = 7;

inline Position at(std::uint64_t sequence, std::uint64_t table = our_table, std::uint32_t epoch = 1)
{
    return {table, epoch, sequence};
}

inline Record user_record(const std::string &name, std::vector<Record_field> fields = {})
{
    return {Kind::user, name, std::move(fields), {}};
}

class Fake_table final : public Table {
  public:
    std::map<Key, Record> records;
    bool broken = false; // what is read fails at its end
    unsigned puts = 0;

    Position position() override { return at(2); }
    Result<bool> follows() override { return false; }
    Result<std::optional<Record>> get(Kind kind, const std::string &name) override
    {
        if (broken)
            return Error{"table: broken"};
        const auto it = records.find({kind, name});
        return it == records.end() ? std::nullopt : std::optional<Record>(it->second);
    }
    Result<Done> for_each(const std::function<bool(const Record &)> &each) override
    {
        for (const auto &[key, record] : records) {
            if (!each(record))
                break;
        }
        if (broken)
            return Error{"table: broken"};
        return Done{};
    }
    Result<Done> begin() override { return Done{}; }
    Result<Done> put_text(Kind kind, const std::string &name, std::string_view text) override
    {
        const Result<Record> record = parse_record(text, Key_case::keep);
        if (!record)
            return record.error();
        ++puts;
        records[{kind, name}] = *record;
        return Done{};
    }
    Result<Done> remove(Kind kind, const std::string &name) override
    {
        records.erase({kind, name});
        return Done{};
    }
    Result<Position> commit() override { return at(2); }
    void abort() override {}
    Position next_position() override { return at(3); }
    Result<Done> promote(std::uint32_t) override { return Done{}; }
    Result<Done> for_each_text(const Each_text &) override { return Done{}; }
    Result<Changes> changes_since(const Position &) override { return Changes{}; }
    Result<std::optional<std::string>> journal_text(const Position &) override
    {
        return std::optional<std::string>();
    }
    Position before_commit() override { return {}; }
    Result<Done> for_each_change(const Each_change &) override { return Done{}; }
    Result<std::optional<Mirror_note>> mirror_note(const std::string &) override
    {
        return std::optional<Mirror_note>();
    }
    Result<Done> note_mirrors(const std::vector<Mirror_note> &) override { return Done{}; }
};

} // namespace proxymap
