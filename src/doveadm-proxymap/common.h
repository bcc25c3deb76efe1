// What the commands of `doveadm proxymap` share: the settings they run with, how a record is shown,
// how they end.
#pragma once

#include "core/configuration.h"
#include "core/record.h"
#include "core/route.h"
#include "dovecot/doveadm.h"
#include "store/lmdb_table.h"

#include <string>
#include <vector>

namespace proxymap {

// Exit codes, of sysexits(3). 0: done.
inline constexpr int exit_different = 1;      // verify: a mirror differs from the table
inline constexpr int exit_warnings_found = 1; // check: warnings, and no error
inline constexpr int exit_errors_found = 2;   // check
inline constexpr int exit_bad_data = 65;  // EX_DATAERR: a file, a record, a change that is refused
inline constexpr int exit_no_input = 66;  // EX_NOINPUT: a file cannot be read
inline constexpr int exit_no_record = 67; // EX_NOUSER: proven absent
inline constexpr int exit_on_hold = 69;   // EX_UNAVAILABLE: move: the users stay on hold
inline constexpr int exit_output_failed = 74; // EX_IOERR
inline constexpr int exit_try_again = 75;     // EX_TEMPFAIL: a store is unavailable
inline constexpr int exit_not_host = 77;      // EX_NOPERM: another host is the table's
inline constexpr int exit_refused = 77;       // EX_NOPERM: lookup: that client may not log in
inline constexpr int exit_bad_config = 78;    // EX_CONFIG
inline constexpr int exit_usage = 64;         // EX_USAGE

// The commands, one a file.
extern const Command backend_command;
extern const Command check_command;
extern const Command convert_command;
extern const Command counters_command;
extern const Command delete_command;
extern const Command export_command;
extern const Command follow_command;
extern const Command get_command;
extern const Command import_command;
extern const Command list_command;
extern const Command lookup_command;
extern const Command move_command;
extern const Command promote_command;
extern const Command sessions_command;
extern const Command set_command;
extern const Command status_command;
extern const Command sync_command;
extern const Command unset_command;
extern const Command verify_command;
extern const Command watch_command;

// From where read_tool_settings() finds the settings, and the files that they name.
Result<Configuration> read_tool_configuration(const std::optional<std::string> &named);

// The same from the file that --config names, or by default. Reports the error.
std::optional<Configuration> configuration_of(const Arguments &arguments);

Table_config table_config(const Settings &settings);

// To read it. Null: there is none yet. A table that was made and never written to, as by a first
// import that failed, is none.
Result<std::unique_ptr<Table>> find_table(const Settings &settings);
std::string no_table_yet(const Settings &settings); // the sentence
// read: find_table(), but none is an error. write: makes it where there is none.
Result<std::unique_ptr<Table>> open_table(const Settings &settings, Table::Mode mode);

// The record that the words `kind` and `name` name; the name of the default record may be left out.
// Reports the error; command: "get", for its sentence.
std::optional<Key> key_of(const Arguments &arguments, const std::string &command,
                          Key_case key_case);

// Reports the error and returns the code.
int fail(int code, const std::string &message);

// `user john`
std::string label(const Key &key);
// `john, joe, jane, ...`: the first ones; count: of all.
std::string first_ones(const std::vector<std::string> &first, std::uint64_t count);

// `2026-01-31T12:00:00Z`, of seconds since 1970; empty for 0.
std::string format_time(std::uint64_t time);

// The fields of a record as they stand in a routes file, without kind and name.
std::string format_fields(const Record &record);

} // namespace proxymap
