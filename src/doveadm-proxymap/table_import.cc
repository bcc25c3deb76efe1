#include "table_import.h"

#include "core/record_build.h"

#include <utility>

namespace proxymap {

void Table_import::write(Record_sorter &records, const std::function<void()> &step)
{
    if (error_)
        return;
    Result<Done> done = records.rewind();
    while (done) {
        const Result<const Record_sorter::Entry *> entry = records.next();
        if (entry && *entry == nullptr)
            return;
        done = entry ? write(**entry) : entry.error();
        step();
    }
    error_ = done.error();
}

Result<Done> Table_import::write(const Record_sorter::Entry &entry)
{
    const std::string name(entry.name);
    const Result<std::optional<Record>> old = table_.get(entry.kind, name);
    if (!old)
        return old.error();
    if (old->has_value()) {
        const Result<Record> record = parse_record(entry.text, Key_case::keep); // folded already
        if (!record)
            return record.error();
        if (same_fields(**old, *record)) {
            ++unchanged;
            return Done{};
        }
    }
    ++(old->has_value() ? changed : added);
    return table_.put_text(entry.kind, name, entry.text);
}

bool Table_import::knows_backend(const std::string &name)
{
    const Result<std::optional<Record>> backend = table_.get(Kind::backend, name);
    // A table that cannot be asked has failed; the file is not to blame for it.
    if (!backend)
        error_ = backend.error();
    return !backend || backend->has_value();
}

// Walks over table and file side by side. MUST: both in the same order, or what stays in the file
// would be deleted; so the order is checked.
void Table_import::remove_others(Record_sorter &records)
{
    if (error_)
        return;
    if (const Result<Done> done = records.rewind(); !done) {
        error_ = done.error();
        return;
    }
    Result<const Record_sorter::Entry *> name = records.next();
    std::string last;
    const Result<Done> walked = table_.for_each([&](const Record &record) {
        std::string order = table_order(record.kind, record.name);
        if (order <= last) {
            error_ = Error{"the table is not in the order of its keys at " +
                           std::string(to_string(record.kind)) + " " + record.name};
            return false;
        }
        while (name && *name != nullptr && (*name)->order < order)
            name = records.next();
        if (!name) {
            error_ = name.error();
            return false;
        }
        if (*name == nullptr || (*name)->order != order) {
            if (const Result<Done> removed = table_.remove(record.kind, record.name); !removed) {
                error_ = removed.error();
                return false;
            }
            ++deleted;
        }
        last = std::move(order);
        return true;
    });
    if (!walked)
        error_ = walked.error();
}

} // namespace proxymap
