// The file that the login processes of a host share their counts in, and the FIFO beside it whose
// locks say which of them are alive.
//
// MUST: a process that has dropped its privileges holds nothing by which it could shorten the file
// (the others would die of SIGBUS) or fill the file system.
#pragma once

#include "../core/result.h"
#include "usage_layout.h"

#include <string>

namespace proxymap::usage {

class File {
  public:
    // As root, in init. Makes <path> and <path>.lock, 0600, where they are missing, are not ours
    // or are of another version; processes that have the old ones go on with those. Then usable
    // after chroot and setuid. Waits only for others that are making the files at this moment.
    static Result<File> open(const std::string &path);

    // For who only looks on: makes nothing, holds no descriptor. To be given back by unmap().
    static Result<const Layout *> map_for_reading(const std::string &path);
    static void unmap(const Layout *layout);

    // Memory of this process alone, without a FIFO. Throws std::bad_alloc.
    static File make_private();

    File(File &&other) noexcept;
    File &operator=(File &&) = delete;
    ~File();

    Layout &layout() const { return *layout_; }
    int lock_fd() const { return lock_fd_; } // -1: private

  private:
    File(Layout *layout, int lock_fd) : layout_(layout), lock_fd_(lock_fd) {}
    static Result<File> open_existing(const std::string &path, bool *make_anew_r);

    Layout *layout_;
    int lock_fd_;
};

} // namespace proxymap::usage
