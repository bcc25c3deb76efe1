// Opens and makes the shared file; see usage_file.h.
//
// The descriptor of the mapped file is closed before open() returns, so nobody can shorten it later
// on. Locks need a descriptor that stays, and an exclusive one needs a descriptor for writing: it
// is a FIFO's, which has no length and holds no more than a pipe does.
#include "usage_file.h"

#include <cerrno>
#include <cstring>
#include <ctime>
#include <new>
#include <utility>

#include <fcntl.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

namespace proxymap::usage {

namespace {

constexpr int max_lock_tries = 200; // 10 ms apart; making the files takes a few

class Descriptor {
  public:
    explicit Descriptor(int fd) : fd_(fd) {}
    Descriptor(const Descriptor &) = delete;
    Descriptor &operator=(const Descriptor &) = delete;
    ~Descriptor()
    {
        if (fd_ >= 0)
            close(fd_);
    }
    int get() const { return fd_; }
    int release() { return std::exchange(fd_, -1); }

  private:
    int fd_;
};

Error failure(const std::string &what, int error)
{
    return Error{what + " failed: " + std::strerror(error)};
}

bool is_ours(const struct stat &st, mode_t type)
{
    return (st.st_mode & S_IFMT) == type && st.st_uid == geteuid() && (st.st_mode & 0077U) == 0;
}

Header header_for(const struct stat &lock)
{
    return Header{magic, version, sizeof(Layout), lock.st_dev, lock.st_ino};
}

Layout *map(int fd)
{
    void *memory = mmap(nullptr, sizeof(Layout), PROT_READ | PROT_WRITE,
                        fd < 0 ? MAP_PRIVATE | MAP_ANONYMOUS : MAP_SHARED, fd, 0);
    return memory == MAP_FAILED ? nullptr : static_cast<Layout *>(memory);
}

// Of an open() that failed: nothing is there, or something else is.
bool can_be_made_anew(int error)
{
    return error == ENOENT || error == ELOOP || error == EISDIR || error == ENXIO;
}

std::string folder_of(const std::string &path)
{
    const std::size_t slash = path.rfind('/');
    return slash == std::string::npos ? "." : path.substr(0, slash + 1);
}

// The FIFO is made once and then stays: processes with an older file have locks on it.
Result<Done> make_lock(const std::string &path)
{
    const std::string lock_path = path + ".lock";
    struct stat st;
    if (lstat(lock_path.c_str(), &st) == 0) {
        if (is_ours(st, S_IFIFO))
            return Done{};
        if (unlink(lock_path.c_str()) < 0)
            return failure("unlink(" + lock_path + ")", errno);
    }
    if (mkfifo(lock_path.c_str(), 0600) < 0)
        return failure("mkfifo(" + lock_path + ")", errno);
    return Done{};
}

Result<Done> make_file(const std::string &path)
{
    const std::string lock_path = path + ".lock";
    struct stat lock;
    if (lstat(lock_path.c_str(), &lock) < 0)
        return failure("lstat(" + lock_path + ")", errno);

    const std::string new_path = path + ".new";
    unlink(new_path.c_str()); // of one that was killed in here
    const Descriptor fd(
        ::open(new_path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
    if (fd.get() < 0)
        return failure("open(" + new_path + ")", errno);
    // Reserved, for a hole that finds no memory later on kills the process that writes to it.
    const Header header = header_for(lock);
    if (const int error = posix_fallocate(fd.get(), 0, sizeof(Layout)); error != 0) {
        unlink(new_path.c_str());
        return failure("reserving " + std::to_string(sizeof(Layout)) + " bytes for " + new_path,
                       error);
    }
    if (pwrite(fd.get(), &header, sizeof(header), 0) != sizeof(header) ||
        rename(new_path.c_str(), path.c_str()) < 0) {
        const int error = errno;
        unlink(new_path.c_str());
        return failure("making " + path, error);
    }
    return Done{};
}

} // namespace

// *make_anew_r: the files are missing or not usable, and making them anew helps.
Result<File> File::open_existing(const std::string &path, bool *make_anew_r)
{
    *make_anew_r = false;
    const std::string lock_path = path + ".lock";
    // Non-blocking for what may stand there instead of them.
    constexpr int flags = O_RDWR | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK;
    Descriptor lock(::open(lock_path.c_str(), flags));
    if (lock.get() < 0) {
        *make_anew_r = can_be_made_anew(errno);
        return failure("open(" + lock_path + ")", errno);
    }
    const Descriptor fd(::open(path.c_str(), flags));
    if (fd.get() < 0) {
        *make_anew_r = can_be_made_anew(errno);
        return failure("open(" + path + ")", errno);
    }

    struct stat lock_st;
    struct stat st;
    if (fstat(lock.get(), &lock_st) < 0 || fstat(fd.get(), &st) < 0)
        return failure("fstat(" + path + ")", errno);
    if (!is_ours(lock_st, S_IFIFO) || !is_ours(st, S_IFREG) ||
        st.st_size != static_cast<off_t>(sizeof(Layout))) {
        *make_anew_r = true;
        return Error{path + " is not of this version"};
    }
    Header header;
    const Header expected = header_for(lock_st);
    if (pread(fd.get(), &header, sizeof(header), 0) != sizeof(header))
        return failure("read(" + path + ")", errno);
    if (std::memcmp(&header, &expected, sizeof(header)) != 0) {
        *make_anew_r = true;
        return Error{path + " is not of this version"};
    }
    Layout *layout = map(fd.get());
    if (layout == nullptr)
        return failure("mmap(" + path + ")", errno);
    return File(layout, lock.release());
}

Result<File> File::open(const std::string &path)
{
    bool make_anew = false;
    Result<File> file = open_existing(path, &make_anew);
    if (file || !make_anew)
        return file;

    // One at a time, so that all who find a wrong file end with the same new one. The lock is on
    // the folder, which no login process can open once it is in its chroot.
    const std::string folder = folder_of(path);
    const Descriptor guard(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (guard.get() < 0)
        return failure("open(" + folder + ")", errno);
    // Anybody who may read the folder can hold this lock, so a login process waits only so long.
    for (int tries = 0; flock(guard.get(), LOCK_EX | LOCK_NB) < 0; tries++) {
        if ((errno != EWOULDBLOCK && errno != EINTR) || tries == max_lock_tries)
            return failure("flock(" + folder + ")", errno);
        const timespec pause{0, 10'000'000};
        nanosleep(&pause, nullptr);
    }
    Result<File> now = open_existing(path, &make_anew);
    if (now || !make_anew)
        return now;
    if (Result<Done> made = make_lock(path); !made)
        return made.error();
    if (Result<Done> made = make_file(path); !made)
        return made.error();
    return open_existing(path, &make_anew);
}

Result<const Layout *> File::map_for_reading(const std::string &path)
{
    const Descriptor fd(::open(path.c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK));
    struct stat st;
    if (fd.get() < 0 || fstat(fd.get(), &st) < 0)
        return failure("open(" + path + ")", errno);
    Header header{};
    if (!is_ours(st, S_IFREG) || st.st_size != static_cast<off_t>(sizeof(Layout)) ||
        pread(fd.get(), &header, sizeof(header), 0) != sizeof(header) || header.magic != magic ||
        header.version != version || header.size != sizeof(Layout))
        return Error{path + " is not of this version"};
    void *memory = mmap(nullptr, sizeof(Layout), PROT_READ, MAP_SHARED, fd.get(), 0);
    if (memory == MAP_FAILED)
        return failure("mmap(" + path + ")", errno);
    return static_cast<const Layout *>(memory);
}

void File::unmap(const Layout *layout)
{
    munmap(const_cast<Layout *>(layout), sizeof(Layout));
}

File File::make_private()
{
    Layout *layout = map(-1);
    if (layout == nullptr)
        throw std::bad_alloc();
    return File(layout, -1);
}

File::File(File &&other) noexcept
    : layout_(std::exchange(other.layout_, nullptr)), lock_fd_(std::exchange(other.lock_fd_, -1))
{
}

File::~File()
{
    if (layout_ != nullptr)
        munmap(layout_, sizeof(Layout));
    if (lock_fd_ >= 0)
        close(lock_fd_);
}

} // namespace proxymap::usage
