// See lmdb_env.h.
#include "lmdb_env.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>

namespace proxymap {
namespace {

constexpr mdb_mode_t lock_mode = 0660;
constexpr int tries_for_a_snapshot = 3;

std::uint64_t map_size_for(std::uint64_t max_size, off_t file_size)
{
    const auto page = static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE));
    const std::uint64_t size = std::max(max_size, static_cast<std::uint64_t>(file_size));
    return (size + page - 1) / page * page;
}

} // namespace

Lmdb_env *Lmdb_env::first_ = nullptr;

Result<std::shared_ptr<Lmdb_env>> Lmdb_env::open(const std::string &folder, std::uint64_t max_size,
                                                 Mode mode)
{
    const Lmdb_files files(folder);
    const Result<Fd> guard = mode == Mode::write ? files.create() : Result<Fd>(Fd());
    if (!guard)
        return guard.error();
    if (mode == Mode::read) {
        if (const auto found = files.find_data(); !found)
            return found.error();
        if (!files.lock_id())
            files.create_lock();
    }

    const auto data = files.data_id();
    const auto lock = files.lock_id();
    for (Lmdb_env *env = first_; env != nullptr; env = env->next_) {
        if (!env->usable())
            continue;
        const bool same_lock = lock && env->lock_id_ == lock;
        if (env->data_id_ == data && (same_lock || !lock) &&
            (mode == Mode::read || env->mode_ == Mode::write))
            return env->shared_from_this();
        // A file of it was replaced, or it cannot write: LMDB forbids a second one beside it.
        if ((env->data_id_ == data || same_lock) && !env->close())
            return Error{"lmdb table " + files.data() +
                         " is in use by another part of this process"};
    }

    auto env = std::make_shared<Lmdb_env>(Private{}, files, max_size, mode);
    if (const auto opened = env->open_files(); !opened)
        return opened.error();
    return env;
}

Lmdb_env::Lmdb_env(Private, const Lmdb_files &files, std::uint64_t max_size, Mode mode)
    : files_(files), max_size_(max_size), mode_(mode), pid_(getpid()), next_(first_)
{
    first_ = this;
}

Lmdb_env::~Lmdb_env()
{
    close();
    Lmdb_env **link = &first_;
    while (*link != this)
        link = &(*link)->next_;
    *link = next_;
}

Result<Done> Lmdb_env::open_files()
{
    struct stat status {};
    if (stat(files_.data().c_str(), &status) < 0)
        return files_.explain(errno);
    const std::uint64_t map_size = map_size_for(max_size_, status.st_size);
    if (auto fits = check_address_space(files_.data(), map_size, max_size_); !fits)
        return fits;

    const unsigned flags = MDB_NOTLS | (mode_ == Mode::read ? MDB_RDONLY : 0U);
    int code = mdb_env_create(&env_);
    if (code == 0)
        code = mdb_env_set_mapsize(env_, map_size);
    if (code == 0)
        code = mdb_env_open(env_, files_.folder().c_str(), flags, lock_mode);
    if (code == 0)
        code = mdb_env_get_fd(env_, &data_fd_);
    if (code > 0) {
        close();
        return files_.explain(code);
    }
    MDB_stat pages{};
    if (code == 0)
        code = mdb_env_stat(env_, &pages);
    page_size_ = pages.ms_psize;

    MDB_txn *txn = nullptr;
    unsigned found_flags = 0;
    if (code == 0 && !is_whole())
        code = EIO;
    if (code == 0)
        code = begin(&txn, MDB_RDONLY);
    if (code == 0) {
        code = mdb_dbi_open(txn, nullptr, 0, &dbi_);
        if (code == 0)
            code = mdb_dbi_flags(txn, dbi_, &found_flags);
        end_read(txn);
    }
    if (code == 0 && found_flags != 0)
        code = MDB_INCOMPATIBLE;
    if (code == 0 && fstat(data_fd_, &status) < 0)
        code = errno;
    if (code != 0) {
        Error why = code == EIO ? Error{"lmdb table " + files_.data() +
                                        " is shorter than its own header says: a truncated copy?"}
                                : error("cannot open", code);
        close();
        return why;
    }
    data_id_ = id_of(status);
    lock_id_ = files_.lock_id();
    return Done{};
}

bool Lmdb_env::usable() const
{
    return env_ != nullptr && pid_ == getpid();
}

bool Lmdb_env::close()
{
    if (pid_ != getpid() || env_ == nullptr) {
        env_ = nullptr; // a child abandons what its parent opened
        return true;
    }
    if (running_ > 0)
        return false;
    if (idle_ != nullptr)
        mdb_txn_abort(std::exchange(idle_, nullptr));
    mdb_env_close(std::exchange(env_, nullptr));
    return true;
}

bool Lmdb_env::replaced() const
{
    // No lock.mdb at all is no reason to stop: who wants to write must make one first.
    const auto lock = files_.lock_id();
    return files_.data_id() != data_id_ || (lock && lock != lock_id_);
}

// Whether the file is as long as its header says. Looks at the header only after it is known to be
// there; the rest of what a later truncation could do cannot be prevented.
bool Lmdb_env::is_whole()
{
    struct stat status {};
    if (fstat(data_fd_, &status) < 0)
        return false;
    const auto size = static_cast<std::uint64_t>(status.st_size);
    MDB_envinfo info{};
    return size >= 2 * page_size_ && mdb_env_info(env_, &info) == 0 &&
           size / page_size_ > info.me_last_pgno;
}

// Pages at the end that a transaction took and gave back are counted in the header but never
// written. A reader could not tell this from a truncated copy.
void Lmdb_env::pad_file()
{
    MDB_txn *txn = nullptr;
    if (is_whole() || mdb_txn_begin(env_, nullptr, 0, &txn) != 0)
        return;
    // No other writer now, so this can only make the file longer.
    MDB_envinfo info{};
    if (!is_whole() && mdb_env_info(env_, &info) == 0 &&
        ftruncate(data_fd_, static_cast<off_t>((info.me_last_pgno + 1) * page_size_)) == 0)
        fdatasync(data_fd_);
    mdb_txn_abort(txn);
}

// Another process has let the file grow beyond our map.
int Lmdb_env::grow_map()
{
    struct stat status {};
    if (running_ > 0 || fstat(data_fd_, &status) < 0)
        return MDB_MAP_RESIZED;
    const std::uint64_t size = map_size_for(max_size_, status.st_size);
    if (!check_address_space(files_.data(), size, max_size_))
        return ENOMEM;
    const int code = mdb_env_set_mapsize(env_, size);
    if (code != 0)
        close(); // it has lost its map
    return code;
}

int Lmdb_env::begin_read(MDB_txn **txn_r)
{
    if (idle_ == nullptr)
        return mdb_txn_begin(env_, nullptr, MDB_RDONLY, txn_r);
    *txn_r = std::exchange(idle_, nullptr);
    const int code = mdb_txn_renew(*txn_r);
    if (code != 0)
        mdb_txn_abort(*txn_r);
    return code;
}

int Lmdb_env::begin(MDB_txn **txn_r, unsigned flags)
{
    const auto once = [&] {
        return flags == MDB_RDONLY ? begin_read(txn_r) : mdb_txn_begin(env_, nullptr, flags, txn_r);
    };
    int code = once();
    if (code == MDB_MAP_RESIZED) {
        code = grow_map();
    } else if (code == MDB_READERS_FULL) {
        int dead = 0;
        code = mdb_reader_check(env_, &dead);
    } else {
        return code;
    }
    return code == 0 ? once() : code;
}

void Lmdb_env::end_read(MDB_txn *txn)
{
    mdb_txn_reset(txn);
    if (idle_ == nullptr)
        idle_ = txn;
    else
        mdb_txn_abort(txn);
}

Result<Lmdb_txn> Lmdb_env::read()
{
    if (!usable())
        return Error{"lmdb table " + files_.data() + " has been closed"};
    for (int i = 0; i < tries_for_a_snapshot; i++) {
        if (!is_whole())
            return Error{"lmdb table " + files_.data() +
                         " is shorter than its own header says: a truncated copy?"};
        MDB_txn *txn = nullptr;
        if (const int code = begin(&txn, MDB_RDONLY); code != 0)
            return error("cannot read", code);
        // LMDB takes the number of the last transaction from lock.mdb, and from that number which
        // header of data.mdb counts. One less than the header's: a commit is going on.
        MDB_envinfo info{};
        mdb_env_info(env_, &info);
        if (info.me_last_txnid - mdb_txn_id(txn) <= 1) {
            running_++;
            return Lmdb_txn(*this, txn, false);
        }
        end_read(txn); // more commits since, or never
    }
    return Error{"lmdb table " + files_.data() + " does not belong to its " + files_.lock() +
                 ": when data.mdb is replaced, remove lock.mdb"};
}

Result<Lmdb_txn> Lmdb_env::write()
{
    if (!usable() || mode_ != Mode::write)
        return Error{"lmdb table " + files_.data() + " is not open for writing"};
    if (writing_) // LMDB would wait for itself
        return Error{"lmdb table " + files_.data() + " is being written by this process already"};
    if (!is_whole())
        return Error{"lmdb table " + files_.data() +
                     " is shorter than its own header says: a truncated copy?"};
    int dead = 0;
    mdb_reader_check(env_, &dead); // their snapshots would keep old pages from being used again
    MDB_txn *txn = nullptr;
    if (const int code = begin(&txn, 0); code != 0)
        return error("cannot write", code);
    MDB_envinfo info{};
    mdb_env_info(env_, &info);
    if (mdb_txn_id(txn) != info.me_last_txnid + 1) {
        mdb_txn_abort(txn);
        return Error{"lmdb table " + files_.data() + " does not belong to its " + files_.lock() +
                     ": when data.mdb is replaced, remove lock.mdb"};
    }
    running_++;
    writing_ = true;
    return Lmdb_txn(*this, txn, true);
}

Error Lmdb_env::error(std::string_view what, int code) const
{
    MDB_envinfo info{};
    if (code == MDB_MAP_FULL && env_ != nullptr && mdb_env_info(env_, &info) == 0)
        return Error{"lmdb table " + files_.data() + " is full: table_max_size is " +
                     std::to_string(info.me_mapsize >> 10U) +
                     "k; raise it, and with it `service auth { vsz_limit }`"};
    return Error{"lmdb table " + files_.data() + ": " + std::string(what) + ": " +
                 mdb_strerror(code)};
}

} // namespace proxymap
