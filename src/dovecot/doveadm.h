// doveadm, as the tool's commands see it: arguments in, rows and an exit code out.
//
// Everything of doveadm that differs between Dovecot's versions is behind this header. A command
// never includes a header of Dovecot's.
#pragma once

#include "../store/loop.h"

#include <cstdint>
#include <initializer_list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace proxymap {

// What the admin wrote behind the command's name.
class Arguments {
  public:
    explicit Arguments(const void *context) : context_(context) {}
    // The value of an option or positional parameter; nothing when it was not given.
    std::optional<std::string> text(const char *name) const;
    // Whether the flag was given.
    bool has(const char *name) const;
    // The values of a list.
    std::vector<std::string> list(const char *name) const;

  private:
    const void *context_; // Dovecot's, valid while the command runs
};

struct Parameter {
    // list: all positional words that are left; it is the last one
    enum class Type : unsigned char { option, flag, positional, list };
    const char *name; // `config` for --config
    Type type;
};

struct Command {
    const char *name; // "proxymap get"
    const char *usage;
    std::vector<Parameter> parameters;      // positional ones in their order
    int (*run)(const Arguments &arguments); // returns the exit code, as in sysexits(3)
    bool remote = false;                    // doveadm-server may be asked for it too
};

// Makes the command known to doveadm for the rest of the process's life. Where doveadm-server is
// asked for one that is not remote, it is refused with EX_NOPERM. A doveadm whose structures are
// not those that this was compiled with is told of no command, and the admin why.
void register_command(const Command &command);

// Whether the admin chose an output format with `doveadm -f`.
bool format_chosen();

// Rows on stdout in the format that the admin chose (-f table|tab|json|flow|pager), else in that
// default one. One object a run of doveadm. Values hold no control characters.
class Rows {
  public:
    Rows(const char *default_format, std::initializer_list<const char *> columns);
    // As many values as there are columns.
    void add(std::initializer_list<std::string_view> values);
    // Shows what was added so far, for a reader who waits for it; more may follow, so it ends no
    // JSON. False as of flush_output().
    bool show();

  private:
    std::uint64_t start_; // what the printer had printed before the first row
    bool has_rows_ = false;
    bool shown_ = false;
};

// Writes out what was printed, by Rows and by stdio. False: part of it was lost (a full disk, a
// reader that has gone); errno says why. To be called after the last row.
bool flush_output();

// One line on stderr, in doveadm's own manner ("Error: ...").
void report_error(const std::string &message);

// For a command that works long without an event loop: interrupting it ends it at once. Otherwise
// doveadm only notes the signal. To be called where dying at any moment leaves nothing half done.
void die_on_signals();

// What doveadm of another host is asked with: the settings doveadm_username, doveadm_password and
// doveadm_port (0: unset), and the socket of this host's doveadm-server.
struct Doveadm_access {
    std::string user;
    std::string password;
    std::uint16_t port = 0;
    std::string socket;
};
Doveadm_access doveadm_access();

// The socket of this host's stats process that tells what was counted.
std::string stats_socket();

// An event loop of the command's own, inside doveadm's. Whatever watches its loop() must be gone
// before it goes.
class Command_loop {
  public:
    Command_loop();
    ~Command_loop();
    Command_loop(const Command_loop &) = delete;
    Command_loop &operator=(const Command_loop &) = delete;
    Loop &loop() { return *loop_; }
    void run(); // until stop()
    void stop();

  private:
    struct Native;
    std::unique_ptr<Native> native_;
    std::unique_ptr<Loop> loop_;
};

// The `args` of the first `passdb { driver = <driver> }` in the configuration that doveadm runs
// with
// (`doveadm -c`), as doveconf(1) shows it. Nothing: no such block, or doveconf could not be asked.
std::optional<std::string> passdb_args(std::string_view driver);

// The same from what `doveconf -S passdb` has printed.
std::optional<std::string> find_passdb_args(std::string_view printed, std::string_view driver);

} // namespace proxymap
