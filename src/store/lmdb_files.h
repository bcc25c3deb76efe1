// The files of an LMDB table as the file system sees them: a folder with data.mdb and lock.mdb,
// who may open them, which file is which, and whether the map fits into the address space.
// Knows no LMDB. Never opens an existing lock.mdb: closing it again would drop LMDB's own locks.
#pragma once

#include "../core/result.h"

#include <sys/stat.h>

#include <cstdint>
#include <optional>
#include <string>

namespace proxymap {

// A file descriptor that closes itself.
class Fd {
  public:
    explicit Fd(int fd = -1) : fd_(fd) {}
    Fd(Fd &&other) noexcept : fd_(other.fd_) { other.fd_ = -1; }
    Fd &operator=(Fd &&) = delete;
    Fd(const Fd &) = delete;
    Fd &operator=(const Fd &) = delete;
    ~Fd();
    int get() const { return fd_; }
    bool ok() const { return fd_ >= 0; }

  private:
    int fd_;
};

// Tells a file from another that was renamed over it.
struct File_id {
    dev_t device;
    ino_t inode;
    bool operator==(const File_id &) const = default;
};

File_id id_of(const struct stat &status);

class Lmdb_files {
  public:
    explicit Lmdb_files(std::string folder);

    const std::string &folder() const { return folder_; }
    const std::string &data() const { return data_; }
    const std::string &lock() const { return lock_; }

    // For a reader: data.mdb is there and may be one. The error says what is wrong and what makes
    // it right.
    Result<struct stat> find_data() const;
    // Nothing: there is no such file, or it cannot be looked at.
    std::optional<File_id> data_id() const;
    std::optional<File_id> lock_id() const;

    // For a writer: makes what is absent, whatever the umask: folder 0750, data.mdb 0640, lock.mdb
    // 0660, of group `dovecot` when root asks and the group exists, else of the folder's group.
    // What exists keeps its owner and mode. A new data.mdb gets a new lock.mdb, for the old one
    // counts the old table's transactions. Holds the folder's flock(2) for as long as the result
    // lives: keep it until the environment is open.
    Result<Fd> create() const;
    // Makes lock.mdb where it is absent and this user may; a copied table comes without one.
    void create_lock() const;

    // Turns the errno of an open into a sentence that names the permission that is missing.
    Error explain(int error) const;

  private:
    bool make_lock(int folder, gid_t group) const;

    std::string folder_;
    std::string data_;
    std::string lock_;
};

// Whether a map of that many bytes fits under RLIMIT_AS, which is what Dovecot makes of vsz_limit,
// with 128 MB left for all else. max_size: the setting table_max_size, for the sentence.
Result<Done> check_address_space(const std::string &file, std::uint64_t map_size,
                                 std::uint64_t max_size);

} // namespace proxymap
