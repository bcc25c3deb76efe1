// RAII over LMDB: the environment, that is data.mdb and lock.mdb of one folder, with the rules of
// LMDB kept inside (lmdb.h, "Caveats"):
//   - one environment per file and process, shared by all who open it; MDB_NOTLS
//   - never used, nor closed, after a fork: the child abandons it and opens its own
//   - a file shorter than its own header says is not read: that would be SIGBUS
//   - data.mdb and lock.mdb must belong together, else LMDB reads old pages, and writes over new
// Knows keys and values, no records. For one thread only.
#pragma once

#include "lmdb_files.h"
#include "lmdb_txn.h"

#include <lmdb.h>

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace proxymap {

class Lmdb_env : public std::enable_shared_from_this<Lmdb_env> {
    struct Private {};

  public:
    enum class Mode : std::uint8_t { read, write };

    // Opens, or shares what this process has open already. max_size: bytes of address space to map
    // (more, when the file has grown beyond it). Errors are whole sentences.
    static Result<std::shared_ptr<Lmdb_env>> open(const std::string &folder, std::uint64_t max_size,
                                                  Mode mode);

    Lmdb_env(Private, const Lmdb_files &files, std::uint64_t max_size, Mode mode);
    Lmdb_env(const Lmdb_env &) = delete;
    Lmdb_env &operator=(const Lmdb_env &) = delete;
    ~Lmdb_env();

    // False once closed, and in a child of the process that opened it: then open() another one.
    bool usable() const;
    // For all who share it. False: not now, a transaction is running.
    bool close();
    // Whether other files are in its place now. Costs two stat(2).
    bool replaced() const;

    // A snapshot. After an error close() and open() again; where that does not help either, the
    // table cannot be read.
    Result<Lmdb_txn> read();
    // One at a time in a process; waits for as long as another process writes. Frees the slots of
    // readers that died.
    Result<Lmdb_txn> write();

    const Lmdb_files &files() const { return files_; }
    // "lmdb table FILE: WHAT: reason"; a full map gets a sentence of its own.
    Error error(std::string_view what, int code) const;

  private:
    friend class Lmdb_txn;
    friend class Lmdb_cursor;

    Result<Done> open_files();
    int begin(MDB_txn **txn_r, unsigned flags);
    int begin_read(MDB_txn **txn_r);
    int grow_map();
    bool is_whole();
    void pad_file();
    void end_read(MDB_txn *txn);

    Lmdb_files files_;
    std::uint64_t max_size_;
    Mode mode_;
    pid_t pid_;
    MDB_env *env_ = nullptr;
    MDB_dbi dbi_ = 0;
    int data_fd_ = -1; // LMDB's own
    std::optional<File_id> data_id_;
    std::optional<File_id> lock_id_;
    std::uint64_t page_size_ = 0;
    MDB_txn *idle_ = nullptr; // a reader's slot between two snapshots: reset, ready to be renewed
    unsigned running_ = 0;    // transactions
    bool writing_ = false;
    Lmdb_env *next_; // all environments of this process, for open() to share
    static Lmdb_env *first_;
};

} // namespace proxymap
