// The users of one `move`, and its transactions on the table: on hold, to the new backend, or back.
//
// MUST: only a record that is still on hold is opened at the end of a move that has put it there.
// What somebody else has changed meanwhile stays as it is.
#pragma once

#include "common.h"
#include "writing.h"

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace proxymap {

class Moving {
  public:
    struct Task {
        std::vector<std::string> users; // by name, folded; or
        std::string from;               // all whose records name this backend
        std::string to;                 // may be empty for hold()
        bool dry_run = false;
        // Error in hold() where the journal cannot name them all: a proxy forgets for an outage
        // too only what it is told by name.
        bool by_name = false;
    };
    Moving(const Configuration &configuration, Task task);

    // Each of these is one transaction, says what it has done, and returns an exit code;
    // exit_try_again also when the table has the change but a mirror has not, and *position_r is
    // set then. Where one of the users cannot be moved, nothing is changed.
    //
    // Puts them on hold; in any case a new position, also when all of them are so already.
    int hold(std::optional<Position> *position_r);
    // To the new backend. held: after hold(), and only those that are on hold still.
    int open(bool held, std::optional<Position> *position_r);
    // Off hold again, as they were before hold(). Those that it found on hold stay so.
    int put_back(std::optional<Position> *position_r);

    std::uint64_t count() const { return count_; } // that hold() has put on hold, or found so
    // Whether a session of that user, as login processes name it, is one of theirs.
    Result<bool> is_theirs(const std::string &user);
    // Their names, as sessions may have them, when they were named; else none.
    std::vector<std::string> session_names() const;
    // The longest that a login of theirs may take to connect, in milliseconds, as far as records
    // say; 0: none says.
    std::uint64_t longest_timeout() const { return longest_timeout_; }

  private:
    struct Changed {
        enum class Act : std::uint8_t { nothing, put, remove } act = Act::nothing;
        Record record = {};
    };
    using Change = std::function<Result<Changed>(const Record &)>;

    Result<Changed> held(const Record &record);
    Result<Changed> opened(const Record &record, bool held);
    Result<Changed> put_back(const Record &record);

    bool is_there(const Record &record, const Record &moved) const;
    std::unique_ptr<Writing> begin(int *code_r);
    int change_all(Table &table, const Change &change, std::uint64_t *count_r);
    int change_named(Table &table, const Change &change, std::uint64_t *count_r);
    Result<Done> apply(Table &table, const Changed &changed, std::uint64_t *count_r);
    Result<std::optional<Record>> record_of(Table &table, const std::string &user);
    bool can_be_named() const;
    int finish(Writing &writing, const std::string &what, bool changed,
               std::optional<Position> *position_r);

    const Configuration &configuration_;
    const Task task_;
    std::set<std::string> theirs_;      // named users that hold() has put on hold, or found so
    std::set<std::string> held_before_; // that hold() found so
    std::set<std::string> made_;        // that had no record of their own
    std::set<std::string> also_;        // what the field `user` of their records calls them
    std::uint64_t count_ = 0;
    std::uint64_t journal_bytes_ = 0; // at least, of the transaction under way
    std::uint64_t longest_timeout_ = 0;
    std::uint64_t changed_meanwhile_ = 0;
    bool told_of_others_ = false;
    std::unique_ptr<Table> reading_; // for is_theirs()
};

} // namespace proxymap
