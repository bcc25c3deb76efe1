#include "table_lock.h"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>
#include <utility>

namespace proxymap {

// A file of its own: the table locks its folder for itself while it is being opened, and LMDB's
// locks on lock.mdb would be lost with the first descriptor of that file that is closed.
Result<Table_lock> Table_lock::take(const std::string &folder)
{
    const std::string path = folder + "/tool.lock";
    Table_lock lock;
    lock.fd_ = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (lock.fd_ < 0)
        return Error{path + ": cannot be opened: " + strerror(errno)};
    if (flock(lock.fd_, LOCK_EX | LOCK_NB) == 0)
        return lock;
    if (errno == EWOULDBLOCK)
        return Error{folder + ": another command is writing: try again when it has ended"};
    return Error{path + ": cannot be locked: " + strerror(errno)};
}

Table_lock::Table_lock(Table_lock &&other) noexcept : fd_(std::exchange(other.fd_, -1)) {}

Table_lock::~Table_lock()
{
    if (fd_ >= 0)
        close(fd_);
}

} // namespace proxymap
