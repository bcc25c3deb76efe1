// Asks doveconf(1): a doveadm plugin cannot read auth's settings in its own process, whose
// configuration holds doveadm's alone.
//
// MUST: doveconf is the one beside the running doveadm, never one from PATH.
#include "doveconf.h"

#include "doveadm.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <fcntl.h>
#include <filesystem>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

extern "C" {
#include <lib.h>

#include <master-service.h>
}

namespace proxymap {

namespace {

std::string read_all(int fd)
{
    std::string text;
    std::array<char, 4096> buffer;
    for (;;) {
        const ssize_t got = read(fd, buffer.data(), buffer.size());
        if (got > 0)
            text.append(buffer.data(), static_cast<std::size_t>(got));
        else if (got == 0 || errno != EINTR)
            return text;
    }
}

// Its standard output; nothing unless it ended with 0. Its complaints are not shown: doveadm has
// made the same ones already.
std::optional<std::string> output_of(const std::string &program,
                                     std::vector<const char *> arguments)
{
    std::array<int, 2> ends;
    if (pipe2(ends.data(), O_CLOEXEC) < 0)
        return std::nullopt;
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
    posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);

    arguments.insert(arguments.begin(), program.c_str());
    arguments.push_back(nullptr);
    // An empty environment: the one that doveadm got from doveconf holds doveadm's settings.
    char *const environment[] = {nullptr};
    pid_t pid = -1;
    const int error = posix_spawn(&pid, program.c_str(), &actions, nullptr,
                                  const_cast<char *const *>(arguments.data()), environment);
    posix_spawn_file_actions_destroy(&actions);
    close(ends[1]);
    std::string text;
    if (error == 0)
        text = read_all(ends[0]);
    close(ends[0]);

    int status = 0;
    if (error != 0 || waitpid(pid, &status, 0) != pid || !WIFEXITED(status) ||
        WEXITSTATUS(status) != 0)
        return std::nullopt;
    return text;
}

} // namespace

std::optional<std::string> doveconf_output(std::vector<std::string> words)
{
    std::error_code error;
    const std::filesystem::path doveadm = std::filesystem::read_symlink("/proc/self/exe", error);
    if (error)
        return std::nullopt;
    const std::string doveconf = doveadm.parent_path() / "doveconf";
    std::vector<const char *> arguments = {"-c", master_service_get_config_path(master_service)};
    for (const std::string &word : words)
        arguments.push_back(word.c_str());
    return output_of(doveconf, std::move(arguments));
}

std::optional<std::string> passdb_args(std::string_view driver)
{
    const std::optional<std::string> text = doveconf_output({"-S", "passdb"});
    if (!text)
        return std::nullopt;
    return find_passdb_args(*text, driver);
}

// `passdb/<number>/<name>=<value>`, the number growing with the order of the blocks.
std::optional<std::string> find_passdb_args(std::string_view printed, std::string_view driver)
{
    std::string block;
    std::string args;
    bool wanted = false;
    while (!printed.empty()) {
        const std::string_view line = printed.substr(0, printed.find('\n'));
        printed.remove_prefix(std::min(line.size() + 1, printed.size()));
        const std::size_t equals = line.find('=');
        const std::size_t slash = line.substr(0, equals).rfind('/');
        if (equals == std::string_view::npos || slash == std::string_view::npos)
            continue;
        if (line.substr(0, slash) != block) {
            if (wanted)
                break;
            block = line.substr(0, slash);
            args.clear();
        }
        const std::string_view name = line.substr(slash + 1, equals - slash - 1);
        const std::string_view value = line.substr(equals + 1);
        if (name == "driver")
            wanted = value == driver;
        else if (name == "args")
            args = value;
    }
    if (!wanted)
        return std::nullopt;
    return args;
}

} // namespace proxymap
