// Several mirrors that are sent the same, side by side: the servers work at the same time, and the
// table is walked once. One that fails is left out from there on; the others go on.
#pragma once

#include "store/mirror_writer.h"

#include <optional>
#include <vector>

namespace proxymap {

class Mirror_group final : public Mirror_sink {
  public:
    // They must outlive it.
    explicit Mirror_group(const std::vector<Mirror_sink *> &members);

    // Of that member; nothing: all went well.
    const std::optional<Error> &error(std::size_t member) const { return members_[member].error; }

    // As Mirror_sink says. An error: there is no member left, and it is the last one's.
    Result<Done> write_marker(const Marker &marker) override;
    Result<Done> put(std::string_view key, std::string_view text) override;
    Result<Done> put_versions(const Table_change &change, const Position &before,
                              const Position &now) override;
    Result<Done> remove(std::string_view key, std::string_view name, const Position &now) override;
    Result<Done> put_entry(const Position &position, std::string_view text) override;
    Result<Done> acknowledge() override;
    Result<Done> make_empty() override;

  private:
    struct Member {
        Mirror_sink *sink;
        std::optional<Error> error;
    };
    template <typename Do> Result<Done> each(const Do &what);

    std::vector<Member> members_;
};

} // namespace proxymap
