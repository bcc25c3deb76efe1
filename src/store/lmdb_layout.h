// What stands where in an LMDB table: `user:john` (the key of key.h without a namespace) holds the
// stored record, `table` the position of the last commit, `log:...` an entry of the journal
// (lmdb_journal.h), `mirror:<address>` the position up to which the table has finished that mirror,
// `role` that this is no table but a replica of one (lmdb_replica.h). Nothing else is in a table,
// and no name of a record leads to any of these. Never returns a record of another kind or name
// than the one asked for.
#pragma once

#include "../core/key.h"
#include "../core/record.h"
#include "lmdb_env.h"

namespace proxymap {

inline constexpr std::string_view position_key = "table";

inline constexpr std::string_view role_key = "role";
inline constexpr std::string_view follower_role = "follower"; // and nothing else is known

inline std::string mirror_note_key(const std::string &mirror)
{
    return "mirror:" + mirror;
}

// At most max_key_bytes, well under LMDB's own 511.
inline std::string lmdb_key(Kind kind, std::string_view name)
{
    return encode_key({}, kind, name);
}

// The error: it is no table of ours.
Result<Position> read_position(const Lmdb_txn &txn, const Lmdb_files &files);

// Whether it is a replica, which `follow` keeps equal to the table of another host.
Result<bool> read_follows(const Lmdb_txn &txn, const Lmdb_files &files);
// Why nobody else may write there.
Error follower_error(const std::string &folder);

// Nothing: absent. An error names the key, in which no byte of a login name stands as it came.
Result<std::optional<Record>> read_record(const Lmdb_txn &txn, Kind kind, const std::string &name,
                                          Key_case key_case);

// The record under that key. Its name is the value's: a long one is hashed in the key.
Result<Record> parse_entry(std::string_view key, std::string_view value, Key_case key_case);

} // namespace proxymap
