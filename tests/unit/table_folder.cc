// See table_folder.h.
#include "table_folder.h"

#include <grp.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>

using namespace proxymap;

namespace {

// Every commit waits for the disk, unless there is none.
std::filesystem::path where_folders_go()
{
    return access("/dev/shm", W_OK) == 0 ? "/dev/shm" : std::filesystem::temp_directory_path();
}

} // namespace

Table_folder::Table_folder() : root_(where_folders_go() / "proxymap-XXXXXX")
{
    if (mkdtemp(root_.data()) == nullptr)
        std::abort();
    chmod(root_.c_str(), 0755);
}

Table_folder::~Table_folder()
{
    std::error_code ignored;
    std::filesystem::remove_all(root_, ignored);
}

Table_config Table_folder::config(const std::string &name) const
{
    return {path(name), Key_case::lower, 16U << 20U};
}

std::string in_child(const std::function<std::string()> &work)
{
    int fds[2];
    if (pipe(fds) < 0)
        return "no pipe";
    const pid_t child = fork();
    if (child == 0) {
        close(fds[0]);
        const std::string text = work();
        const bool written = write(fds[1], text.data(), text.size()) >= 0;
        _exit(written ? 0 : 1);
    }
    close(fds[1]);
    std::string text;
    char buffer[4096];
    for (ssize_t got = 0; (got = read(fds[0], buffer, sizeof(buffer))) > 0;)
        text.append(buffer, static_cast<std::size_t>(got));
    close(fds[0]);
    int status = 0;
    waitpid(child, &status, 0);
    if (WIFSIGNALED(status))
        return "killed by signal " + std::to_string(WTERMSIG(status));
    return WEXITSTATUS(status) == 0 ? text : "exit " + std::to_string(WEXITSTATUS(status));
}

std::string as_nobody(const std::function<std::string()> &work)
{
    return in_child([&]() -> std::string {
        constexpr unsigned nobody = 65534;
        if (geteuid() == 0 &&
            (setgroups(0, nullptr) < 0 || setgid(nobody) < 0 || setuid(nobody) < 0))
            return "cannot become nobody";
        return work();
    });
}

std::string write_lines(const Table_config &config, const std::vector<std::string> &lines)
{
    auto table = Table::open(config, Table::Mode::write);
    if (!table)
        return table.error().message;
    if (const auto begun = (*table)->begin(); !begun)
        return begun.error().message;
    for (const auto &line : lines) {
        const bool removes = line.starts_with('-');
        const auto record =
            parse_record(removes ? line.substr(1) + " backend=x" : line, config.key_case);
        if (!record)
            return record.error().message;
        const auto done =
            removes ? (*table)->remove(record->kind, record->name) : (*table)->put(*record);
        if (!done)
            return done.error().message;
    }
    const auto position = (*table)->commit();
    return position ? "" : position.error().message;
}

std::string read_all(const std::string &path)
{
    std::ifstream in(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
}

void write_all(const std::string &path, const std::string &bytes)
{
    std::ofstream(path, std::ios::binary) << bytes;
}

std::string mode_of(const std::string &path)
{
    struct stat status {};
    if (stat(path.c_str(), &status) < 0)
        return "absent";
    char text[16];
    std::snprintf(text, sizeof(text), "%04o", static_cast<unsigned>(status.st_mode & 07777U));
    return text;
}
