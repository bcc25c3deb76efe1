// doveadm of Dovecot 2.3: commands of the second version (doveadm_cmd_ver2), doveadm_print.
//
// MUST: nothing is thrown into Dovecot's C code.
#include "doveadm.h"

#include "ioloop.h"
#include "layout.h"

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <exception>
#include <string>
#include <utility>

extern "C" {
#include <lib.h>

#include <array.h>
#include <ioloop.h>
#include <ostream.h>
#include <settings-parser.h>

#include <doveadm.h>

#include <doveadm-print.h>
#include <doveadm-settings.h>
}

namespace proxymap {

namespace {

// doveadm keeps pointers to these until it exits.
struct Registered {
    Command command;
    std::vector<struct doveadm_cmd_param> parameters; // ends with one without a name
};

std::vector<std::unique_ptr<Registered>> &registered()
{
    static std::vector<std::unique_ptr<Registered>> commands;
    return commands;
}

constexpr unsigned max_parameters = 100;

// Whether doveadm knows a parameter of that name of this command.
bool has_parameter(const struct doveadm_cmd_ver2 *command, const std::string &name)
{
    for (const auto *known = command->parameters; known->name != nullptr; ++known) {
        if (name == known->name)
            return true;
    }
    return false;
}

std::pair<const struct doveadm_cmd_ver2 *, unsigned> all_commands()
{
    unsigned count;
    const void *first = array_get_i(&doveadm_cmds_ver2.arr, &count);
    return {static_cast<const struct doveadm_cmd_ver2 *>(first), count};
}

// How many parameters of doveadm's own command are read as ours would be.
std::optional<unsigned> count_parameters(const struct doveadm_cmd_param *first)
{
    for (unsigned i = 0; i < max_parameters; i++) {
        struct doveadm_cmd_param parameter;
        if (!copy_foreign(first + i, parameter))
            return std::nullopt;
        if (parameter.name == nullptr)
            return i;
        const std::optional<std::string> name = copy_foreign_text(parameter.name);
        if (!name || name->empty() || parameter.type > CMD_PARAM_ISTREAM)
            return std::nullopt;
    }
    return std::nullopt;
}

// Whether doveadm's structures are those of the headers that this was compiled with: what differs;
// null: nothing.
const char *find_layout_difference()
{
    if (!has_settings_at(doveadm_setting_parser_info,
                         {{"base_dir", offsetof(struct doveadm_settings, base_dir)},
                          {"doveadm_username", offsetof(struct doveadm_settings, doveadm_username)},
                          {"doveadm_password", offsetof(struct doveadm_settings, doveadm_password)},
                          {"doveadm_port", offsetof(struct doveadm_settings, doveadm_port)}}))
        return "settings";
    if (doveadm_cmds_ver2.arr.element_size != sizeof(struct doveadm_cmd_ver2))
        return "commands";
    const auto [first, count] = all_commands();
    unsigned telling = 0; // with several parameters, so that their size shows too
    for (unsigned i = 0; i < count && telling < 3; i++) {
        const std::optional<std::string> name = copy_foreign_text(first[i].name);
        if (!name || name->empty())
            return "commands";
        if (first[i].parameters == nullptr)
            continue;
        const std::optional<unsigned> parameters = count_parameters(first[i].parameters);
        if (!parameters)
            return "parameters";
        telling += *parameters > 1 ? 1 : 0;
    }
    return telling > 0 ? nullptr : "commands";
}

bool context_fits(const struct doveadm_cmd_context *context)
{
    const auto [first, count] = all_commands();
    if (context->cmd < first || context->cmd >= first + count || context->argc < 0)
        return false;
    for (int i = 0; i < context->argc; i++) {
        struct doveadm_cmd_param given;
        if (!copy_foreign(context->argv + i, given))
            return false;
        const std::optional<std::string> name = copy_foreign_text(given.name);
        if (!name || !has_parameter(context->cmd, *name))
            return false;
    }
    return true;
}

void say_layout_differs(const char *what)
{
    i_error("proxymap: this doveadm lays out its %s otherwise than the headers that proxymap was "
            "built with (" DOVECOT_ABI_VERSION "): rebuild it against the installed dovecot-dev",
            what);
}

int run_command(struct doveadm_cmd_context *context)
{
    if (!context_fits(context)) {
        say_layout_differs("calls of commands");
        return EX_SOFTWARE;
    }
    for (const auto &candidate : registered()) {
        const Command &command = candidate->command;
        if (std::string_view(command.name) != context->cmd->name)
            continue;
        if (!command.remote && context->conn_type != DOVEADM_CONNECTION_TYPE_CLI) {
            report_error(std::string(command.name) + " runs on the command line only");
            return EX_NOPERM;
        }
        return command.run(Arguments(context));
    }
    return EX_SOFTWARE;
}

// What doveadm calls for each of the commands.
void on_command(struct doveadm_cmd_context *context) noexcept
{
    T_BEGIN
    {
        int code = EX_SOFTWARE;
        try {
            code = run_command(context);
        } catch (const std::exception &error) {
            i_error("proxymap: unexpected: %s", error.what());
        }
        // doveadm may have set a code of its own already.
        if (code != 0)
            doveadm_exit_code = code;
    }
    T_END;
}

struct doveadm_cmd_param native_parameter(const Parameter &parameter)
{
    struct doveadm_cmd_param native = {};
    native.name = parameter.name;
    native.type = CMD_PARAM_STR;
    native.flags = CMD_PARAM_FLAG_NONE;
    switch (parameter.type) {
    case Parameter::Type::option:
        break;
    case Parameter::Type::flag:
        native.type = CMD_PARAM_BOOL;
        break;
    case Parameter::Type::positional:
        native.flags = CMD_PARAM_FLAG_POSITIONAL;
        break;
    case Parameter::Type::list:
        native.type = CMD_PARAM_ARRAY;
        native.flags = CMD_PARAM_FLAG_POSITIONAL;
        break;
    }
    return native;
}

} // namespace

std::optional<std::string> Arguments::text(const char *name) const
{
    const char *value = nullptr;
    if (!doveadm_cmd_param_str(static_cast<const struct doveadm_cmd_context *>(context_), name,
                               &value))
        return std::nullopt;
    return std::string(value);
}

bool Arguments::has(const char *name) const
{
    bool value = false;
    return doveadm_cmd_param_bool(static_cast<const struct doveadm_cmd_context *>(context_), name,
                                  &value) &&
           value;
}

std::vector<std::string> Arguments::list(const char *name) const
{
    std::vector<std::string> words;
    const char *const *values = nullptr;
    if (doveadm_cmd_param_array(static_cast<const struct doveadm_cmd_context *>(context_), name,
                                &values)) {
        for (; *values != nullptr; ++values)
            words.emplace_back(*values);
    }
    return words;
}

void register_command(const Command &command)
{
    static const char *const difference = find_layout_difference();
    static bool said = false;
    if (difference != nullptr) {
        if (!std::exchange(said, true))
            say_layout_differs(difference);
        return;
    }
    auto entry = std::make_unique<Registered>();
    entry->command = command;
    for (const Parameter &parameter : command.parameters)
        entry->parameters.push_back(native_parameter(parameter));
    entry->parameters.push_back({});

    struct doveadm_cmd_ver2 native = {};
    native.cmd = on_command;
    native.name = entry->command.name;
    native.usage = entry->command.usage;
    native.parameters = entry->parameters.data();
    registered().push_back(std::move(entry));
    doveadm_cmd_register_ver2(&native);
}

bool format_chosen()
{
    return doveadm_print_is_initialized();
}

Rows::Rows(const char *default_format, std::initializer_list<const char *> columns)
{
    doveadm_print_init(default_format); // does nothing when -f was given
    for (const char *column : columns)
        doveadm_print_header_simple(column);
    start_ = doveadm_print_ostream->offset;
}

void Rows::add(std::initializer_list<std::string_view> values)
{
    has_rows_ = true;
    // A million rows leave nothing on doveadm's data stack.
    T_BEGIN
    {
        for (const std::string_view value : values)
            doveadm_print(std::string(value).c_str());
    }
    T_END;
}

// The table's printer keeps the first rows to see how wide they are, until it is told to flush; it
// alone prints past doveadm's stream. That of JSON must not be told before the end.
bool Rows::show()
{
    if (has_rows_ && !shown_) {
        shown_ = true;
        if (doveadm_print_ostream->offset == start_)
            doveadm_print_flush();
    }
    if (o_stream_flush(doveadm_print_ostream) < 0) {
        errno = doveadm_print_ostream->stream_errno;
        return false;
    }
    return std::fflush(stdout) == 0 && std::ferror(stdout) == 0;
}

bool flush_output()
{
    if (doveadm_print_is_initialized()) {
        doveadm_print_flush();
        if (o_stream_flush(doveadm_print_ostream) < 0) {
            errno = doveadm_print_ostream->stream_errno;
            return false;
        }
    }
    return std::fflush(stdout) == 0 && std::ferror(stdout) == 0;
}

void report_error(const std::string &message)
{
    i_error("%s", message.c_str());
}

void die_on_signals()
{
    std::signal(SIGINT, SIG_DFL);
    std::signal(SIGTERM, SIG_DFL);
}

Doveadm_access doveadm_access()
{
    const struct doveadm_settings &set = *doveadm_settings;
    return {set.doveadm_username, set.doveadm_password, set.doveadm_port,
            std::string(set.base_dir) + "/doveadm-server"};
}

std::string stats_socket()
{
    return std::string(doveadm_settings->base_dir) + "/stats-reader";
}

struct Command_loop::Native {
    struct ioloop *loop = io_loop_create(); // makes it the current one
    Native() = default;
    ~Native() { io_loop_destroy(&loop); }
    Native(const Native &) = delete;
    Native &operator=(const Native &) = delete;
};

Command_loop::Command_loop() : native_(std::make_unique<Native>()), loop_(make_ioloop()) {}

Command_loop::~Command_loop() = default;

void Command_loop::run()
{
    io_loop_run(native_->loop);
}

void Command_loop::stop()
{
    io_loop_stop(native_->loop);
}

} // namespace proxymap
