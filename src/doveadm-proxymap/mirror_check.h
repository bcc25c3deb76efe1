// Compares what one mirror holds with the table, and puts right what is not the same.
#pragma once

#include "mirror_reading.h"

#include "core/configuration.h"
#include "core/route.h"
#include "store/lmdb_table.h"
#include "store/mirror_writer.h"

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace proxymap {

enum class Finding : std::uint8_t { missing, differs, badly_sealed, unreadable, excess };
inline constexpr std::array findings = {Finding::missing, Finding::differs, Finding::badly_sealed,
                                        Finding::unreadable, Finding::excess};
std::string_view to_string(Finding finding);

// What stands in a mirror beside what should. value: null where there is nothing. text: the table's
// stored record. Nothing: they are the same.
std::optional<Finding> compare_value(const std::string *value, const Key &key,
                                     std::string_view text, const std::optional<Marker> &marker,
                                     const Configuration &configuration);

// A record of the table, for check().
struct Table_text {
    Key key;
    std::string text;
};

class Mirror_check {
  public:
    struct Found {
        std::uint64_t count = 0;
        std::vector<std::string> first; // at most 20, as `user john`
    };

    // configuration must outlive it. table: the position that the mirror should be at.
    Mirror_check(const Configuration &configuration, const Store_address &address,
                 const Position &table);
    const std::string &name() const { return name_; }

    // Connects. repair: what is found is put right at once, in a mirror at the table's position.
    void begin(bool repair);
    void check(const std::vector<Table_text> &records);
    // What the mirror has and the table has not. in_table: whether the table has that record.
    void check_excess(const std::function<Result<bool>(const Key &)> &in_table);
    void end();

    const std::optional<Error> &error() const { return error_; } // nothing can be said of it
    const std::string &no_excess() const { return no_excess_; }  // why excess is not known
    const std::optional<Marker> &marker() const { return marker_; }
    std::uint64_t checked() const { return checked_; }
    const Found &found(Finding finding) const { return found_[static_cast<std::size_t>(finding)]; }
    bool differs() const; // anything was found

  private:
    void add(Finding finding, const Key &key);
    bool keep(const Result<Done> &done); // its error
    void check_values(std::vector<std::string> &keys,
                      const std::function<Result<bool>(const Key &)> &in_table);

    const Configuration &configuration_;
    const Store_address address_;
    const std::string name_;
    const Position table_;
    std::unique_ptr<Mirror_reading> reading_;
    std::unique_ptr<Mirror_writer> writer_; // to repair
    std::optional<Marker> marker_;
    std::optional<Error> error_;
    std::string no_excess_;
    std::uint64_t checked_ = 0;
    std::array<Found, findings.size()> found_;
};

} // namespace proxymap
