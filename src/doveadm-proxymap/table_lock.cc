// A file of its own: the table locks its folder for itself while it is being opened, and LMDB's
// locks on lock.mdb would be lost with the first descriptor of that file that is closed.
//
// It says who holds it, for a sentence to the admin; nothing is ever decided by that.
#include "table_lock.h"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <cstring>
#include <fcntl.h>
#include <sys/file.h>
#include <thread>
#include <unistd.h>
#include <utility>

namespace proxymap {

namespace {

using std::chrono::milliseconds;

constexpr milliseconds patience{5000};
constexpr milliseconds first_pause{5};
constexpr milliseconds longest_pause{100};

} // namespace

void Table_lock::sleep_really(milliseconds time)
{
    std::this_thread::sleep_for(time);
}

// By tries, for flock() cannot wait for a time.
Result<Table_lock> Table_lock::take(const std::string &folder, const Sleep &sleep)
{
    const std::string path = folder + "/tool.lock";
    Table_lock lock;
    lock.fd_ = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (lock.fd_ < 0)
        return Error{path + ": cannot be opened: " + strerror(errno)};
    milliseconds left = patience;
    milliseconds pause = first_pause;
    while (flock(lock.fd_, LOCK_EX | LOCK_NB) < 0) {
        if (errno != EWOULDBLOCK)
            return Error{path + ": cannot be locked: " + strerror(errno)};
        if (left == milliseconds::zero())
            return Error{folder + ": another command is writing" + lock.holder() +
                         ": try again when it has ended"};
        pause = std::min(pause, left);
        sleep(pause);
        left -= pause;
        pause = std::min(2 * pause, longest_pause);
    }
    lock.sign();
    return lock;
}

// Where this fails, as on a full disk, nobody is named.
void Table_lock::sign() const
{
    const std::string text = std::to_string(getpid()) + '\n';
    if (ftruncate(fd_, 0) < 0 || pwrite(fd_, text.data(), text.size(), 0) < 0)
        return;
}

// " (process 1234)", or nothing.
std::string Table_lock::holder() const
{
    char text[16];
    const ssize_t length = pread(fd_, text, sizeof(text), 0);
    const char *end = text + std::max<ssize_t>(length, 0);
    pid_t pid = 0;
    const auto number = std::from_chars(text, end, pid);
    const bool whole = number.ec == std::errc() && number.ptr != end && *number.ptr == '\n';
    return whole && pid > 0 ? " (process " + std::to_string(pid) + ")" : "";
}

Table_lock::Table_lock(Table_lock &&other) noexcept : fd_(std::exchange(other.fd_, -1)) {}

Table_lock::~Table_lock()
{
    if (fd_ >= 0)
        close(fd_);
}

} // namespace proxymap
