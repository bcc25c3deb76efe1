// See lmdb_layout.h.
#include "lmdb_layout.h"

namespace proxymap {

Result<Position> read_position(const Lmdb_txn &txn, const Lmdb_files &files)
{
    const auto value = txn.get(position_key);
    if (!value)
        return value.error();
    const auto position = *value ? parse_position(**value) : std::nullopt;
    if (!position || !position->known())
        return Error{"lmdb table " + files.data() +
                     " has no position: it is no table of proxymap, or its import did not end"};
    return *position;
}

Result<bool> read_follows(const Lmdb_txn &txn, const Lmdb_files &files)
{
    const auto role = txn.get(role_key);
    if (!role)
        return role.error();
    if (*role && **role != follower_role)
        return Error{"lmdb table " + files.data() + " has a role that this version does not know"};
    return role->has_value();
}

Error follower_error(const std::string &folder)
{
    return Error{folder + ": this host follows the table of another host: write there, or "
                          "make this host the table's with `doveadm proxymap promote`"};
}

Result<Record> parse_entry(std::string_view key, std::string_view value, Key_case key_case)
{
    auto stored = parse_stored_record(value, key_case);
    if (!stored)
        return Error{"lmdb: " + std::string(key) + ": " + stored.error().message};
    Record &record = stored->record;
    if (lmdb_key(record.kind, record.name) != key)
        return Error{"lmdb: " + std::string(key) + " holds the record of " +
                     lmdb_key(record.kind, record.name)};
    return std::move(record);
}

Result<std::optional<Record>> read_record(const Lmdb_txn &txn, Kind kind, const std::string &name,
                                          Key_case key_case)
{
    const std::string key = lmdb_key(kind, name);
    const auto value = txn.get(key);
    if (!value)
        return value.error();
    if (!*value)
        return std::optional<Record>();
    auto record = parse_entry(key, **value, key_case);
    if (!record)
        return record.error();
    if (record->kind != kind || record->name != name)
        return Error{"lmdb: " + key + " holds the record of another name"};
    return std::optional(std::move(*record));
}

} // namespace proxymap
