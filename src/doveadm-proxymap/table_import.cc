#include "table_import.h"

#include "record_checks.h"

#include "core/record_build.h"

#include <utility>

namespace proxymap {

Result<Done> Table_import::take(Record &&record)
{
    if (error_)
        return Done{};
    if (Result<Done> allowed = check_permission(record, allowed_); !allowed)
        return allowed;
    const Result<std::optional<Record>> old = table_.get(record.kind, record.name);
    if (!old) {
        error_ = old.error();
        return Done{};
    }
    if (old->has_value() && same_fields(**old, record)) {
        ++unchanged;
        return Done{};
    }
    if (const Result<Done> done = table_.put(record); !done) {
        error_ = done.error();
        return Done{};
    }
    ++(old->has_value() ? changed : added);
    return Done{};
}

bool Table_import::knows_backend(const std::string &name)
{
    const Result<std::optional<Record>> backend = table_.get(Kind::backend, name);
    // A table that cannot be asked has failed; the file is not to blame for it.
    if (!backend)
        error_ = backend.error();
    return !backend || backend->has_value();
}

// Walks over table and names side by side. MUST: both in the same order, or what stays in the file
// would be deleted; so the order is checked.
void Table_import::remove_others(Name_sorter &names)
{
    if (error_)
        return;
    if (const Result<Done> done = names.rewind(); !done) {
        error_ = done.error();
        return;
    }
    Result<const Name_sorter::Entry *> name = names.next();
    std::string last;
    const Result<Done> walked = table_.for_each([&](const Record &record) {
        std::string order = table_order(record.kind, record.name);
        if (order <= last) {
            error_ = Error{"the table is not in the order of its keys at " +
                           std::string(to_string(record.kind)) + " " + record.name};
            return false;
        }
        while (name && *name != nullptr && (*name)->order < order)
            name = names.next();
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
