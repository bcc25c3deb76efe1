// The rows of `lookup`: who was asked and said what, what was decided, what Dovecot is told.
//
// MUST: a password is never shown.
#pragma once

#include "mirror_reading.h"

#include "core/configuration.h"
#include "dovecot/doveadm.h"
#include "store/lmdb_table.h"
#include "store/store.h"

#include <map>
#include <memory>
#include <string>
#include <string_view>

namespace proxymap {

inline constexpr std::string_view hidden_secret = "<hidden>";

// One question to one store, and its answer.
struct Asked {
    Key key;
    const Store_address &address;
    Answer answer;
};

class Steps {
  public:
    // configuration must outlive it.
    explicit Steps(const Configuration &configuration) : configuration_(configuration) {}

    // Asks the store once more: for the seal, and for the time of the record in its journal.
    // Blocks.
    void asked(const Asked &asked);
    void decided(std::string_view what, Outcome outcome, std::string_view why);
    // The newest position that any store has shown: what is older was written before it.
    void newest(const Position &position);
    void told(std::string_view name, std::string_view value);
    void client(std::string_view ip, bool may, std::string_view why);

  private:
    // Null: it cannot be asked.
    Mirror_reading *mirror(const Store_address &address);
    std::string seal_of(const Asked &asked);
    std::string written_at(const Asked &asked);
    Result<std::optional<std::string>> journal_text(const Asked &asked);

    const Configuration &configuration_;
    Rows rows_{"table",
               {"step", "what", "store", "outcome", "position", "written", "seal", "value"}};
    std::map<std::string, std::unique_ptr<Mirror_reading>> mirrors_; // null: cannot be asked
    std::unique_ptr<Table> table_;
};

} // namespace proxymap
