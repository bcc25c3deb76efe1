// How many connections each source address has to each destination, over all login processes of
// the host: counters in a file that they share (MAP_SHARED).
//
// Every login process can write the file, and login processes talk to strangers: whatever stands
// in it can make choices uneven, and nothing more. Nothing here waits but open().
#pragma once

#include "../core/ip.h"
#include "../core/result.h"
#include "usage_ledger.h"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace proxymap {

class Usage_counts : public std::enable_shared_from_this<Usage_counts> {
    struct Key {}; // only open() and private_counts() make one

  public:
    // One connection, counted until this is destroyed. Movable; keeps the counts alive.
    class Lease {
      public:
        Lease() = default;
        Lease(Lease &&other) noexcept = default;
        Lease &operator=(Lease &&other) noexcept;
        ~Lease() { release(); }
        void release() noexcept;

      private:
        friend class Usage_counts;
        Lease(std::shared_ptr<Usage_counts> counts, bool shared, std::uint32_t cell)
            : counts_(std::move(counts)), shared_(shared), cell_(cell)
        {
        }
        std::shared_ptr<Usage_counts> counts_;
        bool shared_ = false;
        std::uint32_t cell_ = 0;
    };

    // Where some addresses, those that are chosen among, have their counters.
    class Places {
        friend class Usage_counts;
        // The counter of each address, or nothing where one of them has none.
        std::optional<std::vector<std::uint16_t>> shared;
        std::optional<std::vector<std::uint16_t>> own;
    };

    // The counters of some addresses to one destination. Valid as long as their Places. All are of
    // one kind, shared or this process's own, for only these can be compared; all are 0 where
    // nothing can be counted for want of room.
    class Row {
      public:
        // Of address i.
        std::uint16_t used(std::size_t i) const
        {
            return counters_ == nullptr ? std::uint16_t{0}
                                        : counters_[places_[i]].load(std::memory_order_relaxed);
        }
        // Of all `count` addresses of the Places; returns the lowest.
        std::uint16_t read(std::uint16_t *used, std::size_t count) const;

      private:
        friend class Usage_counts;
        const usage::Counter *counters_ = nullptr;
        const std::uint16_t *places_ = nullptr;
        std::uint32_t first_cell_ = 0;
        bool shared_ = false;
    };

    // As root in init, before the chroot; by each process itself, never before a fork(). path:
    // a file in Dovecot's base_dir. Error: why this process cannot share; it then uses
    // private_counts(). A row is taken only when the first connection is counted.
    static Result<std::shared_ptr<Usage_counts>> open(const std::string &path);

    // Counts of this process alone.
    static std::shared_ptr<Usage_counts> private_counts();

    Usage_counts(Key, std::optional<usage::File> shared);
    Usage_counts(const Usage_counts &) = delete;
    Usage_counts &operator=(const Usage_counts &) = delete;

    Places places(const std::vector<Ip> &addresses);

    // now: CLOCK_MONOTONIC, ms. Also takes back what killed processes had counted, a part each
    // time. Where the shared file has no room for the pool, the destination or this process, the
    // row is one of this process's own counts.
    Row row(Places &places, const std::vector<Ip> &addresses, const Ip &destination,
            std::uint16_t port, std::uint64_t now);

    // One connection more from address i. Right after row().
    Lease count(const Row &row, std::size_t i);

    // Takes back now all that killed processes had counted.
    void reclaim();

  private:
    usage::Layout &own_layout();
    void give_back(bool shared, std::uint32_t cell);

    std::optional<usage::File> shared_;
    std::optional<usage::File> own_; // made when it is needed
    std::optional<usage::Ledger> ledger_;
};

// The shared counts, for who only looks on: takes no place and no row, makes no file, takes nothing
// back. What a killed process had counted is still in them until the next login.
class Usage_view {
  public:
    // Error: there is no such file of this version that is the caller's own.
    static Result<Usage_view> open(const std::string &path);
    Usage_view(Usage_view &&other) noexcept : layout_(std::exchange(other.layout_, nullptr)) {}
    Usage_view &operator=(Usage_view &&) = delete;
    ~Usage_view();

    // Connections from it to that destination; 0: none that are counted.
    std::uint16_t used(const Ip &from, const Ip &destination, std::uint16_t port) const;

  private:
    explicit Usage_view(const usage::Layout *layout) : layout_(layout) {}
    const usage::Layout *layout_; // mapped for reading
};

} // namespace proxymap
