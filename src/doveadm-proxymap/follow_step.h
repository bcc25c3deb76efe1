// One step of a replica: from its position to that of a mirror, in the replica's transaction.
//
// MUST: what a mirror does not have is deleted only where that is proven, by the rules by which a
// proxy believes a miss; and a record is taken only as a proxy would take it.
#pragma once

#include "mirror_reading.h"

#include "core/configuration.h"
#include "core/route.h"
#include "store/lmdb_replica.h"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace proxymap {

class Follow_step {
  public:
    // All must outlive it; the replica's transaction is running. from: the replica's position.
    Follow_step(const Configuration &configuration, Mirror_reading &mirror, Replica &replica,
                const Position &from)
        : configuration_(configuration), mirror_(mirror), replica_(replica), at_(from)
    {
    }

    // Until the mirror stands still. False: its journal does not lead from the replica's position
    // to its own. After that, and after an error, the transaction is of no use any more.
    Result<bool> take();

    const Position &position() const { return at_; }   // to be committed
    std::uint64_t records() const { return records_; } // written and removed

  private:
    Result<bool> read_entries(const Position &to, std::vector<Key> *keys_r);
    Result<Done> read_records(const std::vector<Key> &keys);
    Result<Done> put(const Key &key, const std::string *value, const Position &marker);
    Result<Done> check_seal_of(std::string_view seal, std::string_view signed_text) const;

    const Configuration &configuration_;
    Mirror_reading &mirror_;
    Replica &replica_;
    Position at_;
    std::uint64_t records_ = 0;
};

} // namespace proxymap
