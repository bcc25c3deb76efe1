// See lmdb_files.h.
#include "lmdb_files.h"

#include <fcntl.h>
#include <grp.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <system_error>
#include <utility>

namespace proxymap {
namespace {

constexpr mode_t folder_mode = 0750;
constexpr mode_t data_mode = 0640;
constexpr mode_t lock_mode = 0660;
constexpr const char *reader_group = "dovecot";
constexpr std::uint64_t megabyte = 1ULL << 20U;
constexpr std::uint64_t room_for_all_else = 128 * megabyte;

std::string text_of(int error)
{
    return std::generic_category().message(error);
}

// Auth runs as user dovecot: a table that root makes must be of its group.
gid_t group_for_table(int folder)
{
    if (geteuid() == 0) {
        std::array<char, 16384> buffer{};
        struct group entry {};
        struct group *found = nullptr;
        if (getgrnam_r(reader_group, &entry, buffer.data(), buffer.size(), &found) == 0 &&
            found != nullptr)
            return found->gr_gid;
    }
    struct stat status {};
    return fstat(folder, &status) == 0 ? status.st_gid : getegid();
}

// The group first: until the mode is set, nobody else has gained anything.
bool set_group_and_mode(int fd, gid_t group, mode_t mode)
{
    struct stat status {};
    if (fstat(fd, &status) < 0)
        return false;
    if (status.st_gid != group && fchown(fd, static_cast<uid_t>(-1), group) < 0)
        return false;
    return fchmod(fd, mode) == 0;
}

// False with errno. An existing file is EEXIST and is not opened.
bool make_file(int folder, const char *name, gid_t group, mode_t mode)
{
    const Fd file(openat(folder, name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
    if (!file.ok())
        return false;
    if (set_group_and_mode(file.get(), group, mode))
        return true;
    const int error = errno;
    unlinkat(folder, name, 0);
    errno = error;
    return false;
}

std::optional<File_id> id_at(const std::string &path)
{
    struct stat status {};
    if (stat(path.c_str(), &status) < 0)
        return std::nullopt;
    return id_of(status);
}

bool may(const std::string &path, int what)
{
    return faccessat(AT_FDCWD, path.c_str(), what, AT_EACCESS) == 0;
}

std::string in_megabytes(std::uint64_t bytes)
{
    return std::to_string((bytes + megabyte - 1) / megabyte) + "M";
}

} // namespace

Fd::~Fd()
{
    if (fd_ >= 0)
        close(fd_);
}

File_id id_of(const struct stat &status)
{
    return {status.st_dev, status.st_ino};
}

Lmdb_files::Lmdb_files(std::string folder)
    : folder_(std::move(folder)), data_(folder_ + "/data.mdb"), lock_(folder_ + "/lock.mdb")
{
}

std::optional<File_id> Lmdb_files::data_id() const
{
    return id_at(data_);
}
std::optional<File_id> Lmdb_files::lock_id() const
{
    return id_at(lock_);
}

Result<struct stat> Lmdb_files::find_data() const
{
    struct stat status {};
    if (stat(data_.c_str(), &status) < 0)
        return explain(errno);
    if (!S_ISREG(status.st_mode))
        return Error{"lmdb table " + data_ + " is not a regular file"};
    if (status.st_size == 0)
        return Error{"lmdb table " + data_ + " is empty; `doveadm proxymap import` fills it"};
    return status;
}

Result<Fd> Lmdb_files::create() const
{
    const bool new_folder = mkdir(folder_.c_str(), 0700) == 0;
    if (!new_folder && errno != EEXIST)
        return Error{"cannot create the folder " + folder_ +
                     " for the lmdb table: " + text_of(errno)};
    Fd folder(open(folder_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    // Two first imports at once: without this they could make two lock files for one table.
    if (!folder.ok() || flock(folder.get(), LOCK_EX) < 0)
        return Error{"cannot open the folder " + folder_ + " of the lmdb table: " + text_of(errno)};

    const gid_t group = group_for_table(folder.get());
    if (new_folder) {
        if (!set_group_and_mode(folder.get(), group, folder_mode))
            return Error{"cannot set group and mode of the folder " + folder_ + ": " +
                         text_of(errno)};
        const Fd parent(openat(folder.get(), "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
        if (parent.ok())
            fsync(parent.get());
    }
    const bool new_data = make_file(folder.get(), "data.mdb", group, data_mode);
    if (!new_data && errno != EEXIST)
        return Error{"cannot create the lmdb table " + data_ + ": " + text_of(errno)};
    if (new_data)
        unlinkat(folder.get(), "lock.mdb", 0);
    if (!make_lock(folder.get(), group))
        return Error{"cannot create " + lock_ + ": " + text_of(errno)};
    if (new_data)
        fsync(folder.get());
    return folder;
}

void Lmdb_files::create_lock() const
{
    const Fd folder(open(folder_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    // Where it fails LMDB will say so itself, or need no lock: the file system is read-only.
    if (folder.ok())
        make_lock(folder.get(), group_for_table(folder.get()));
}

bool Lmdb_files::make_lock(int folder, gid_t group) const
{
    return make_file(folder, "lock.mdb", group, lock_mode) || errno == EEXIST;
}

Error Lmdb_files::explain(int error) const
{
    if (error == ENOENT)
        return Error{"lmdb table " + data_ + " does not exist; `doveadm proxymap import` makes it"};
    if (error != EACCES && error != EPERM)
        return Error{"cannot open the lmdb table " + data_ + ": " + text_of(error)};

    const std::string start = "lmdb table: no permission to ";
    if (!may(folder_, X_OK))
        return Error{start + "enter the folder " + folder_ +
                     ": it (and all above it) must let the auth process in; root:dovecot 0750"};
    if (!may(data_, R_OK))
        return Error{start + "read " + data_ + ": it must be root:dovecot 0640"};
    if (!lock_id())
        return Error{start + "create " + lock_ +
                     ": run `doveadm proxymap export` once as root, which makes it"};
    if (!may(lock_, R_OK | W_OK))
        return Error{start + "write " + lock_ +
                     ", which readers of the table do too: it must be root:dovecot 0660"};
    return Error{start + "open " + data_ + ": " + text_of(error)};
}

Result<Done> check_address_space(const std::string &file, std::uint64_t map_size,
                                 std::uint64_t max_size)
{
    struct rlimit limit {};
    if (getrlimit(RLIMIT_AS, &limit) < 0 || limit.rlim_cur == RLIM_INFINITY)
        return Done{};
    const std::uint64_t allowed = limit.rlim_cur;
    if (allowed >= room_for_all_else && map_size <= allowed - room_for_all_else)
        return Done{};

    std::string message = "lmdb table " + file + " needs a map of " + in_megabytes(map_size) +
                          ", but this process may use only " + in_megabytes(allowed) +
                          " of address space: set `service auth { vsz_limit = " +
                          in_megabytes(map_size + room_for_all_else) + " }`";
    // A smaller setting helps only where it is the setting that asks for so much.
    if (map_size <= max_size && allowed >= room_for_all_else + megabyte)
        message += " or a table_max_size of at most " +
                   std::to_string((allowed - room_for_all_else) / megabyte) + "M";
    return Error{message};
}

} // namespace proxymap
