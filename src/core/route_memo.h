// Routes that were made before, for logins whose records say the same: a million users of one
// backend share one route a service, and making it is most of what resolving costs.
//
// MUST hold nothing that depends on a login's name, or on settings other than those it was made
// with.
#pragma once

#include "route.h"

#include <array>
#include <cstdint>
#include <memory>
#include <string_view>

namespace proxymap {

class Route_memo {
  public:
    // What a route is made of, but for the settings: Known::content of its records.
    struct Key {
        std::uint64_t record = 0;
        std::uint64_t backend = 0; // 0 where there is none
        Service service = Service::any;
        std::string_view backend_name; // its fields alone do not tell two backends apart

        bool operator==(const Key &) const = default;
    };

    // Null: not held.
    std::shared_ptr<const Route> find(const Key &key) const;
    // Takes the place of another one when need be. One that is personal, or made of records whose
    // content is not known, is not held.
    void put(const Key &key, std::shared_ptr<const Route> route);

  private:
    // Some 600 bytes each once used; enough for 300 backends and three services.
    static constexpr std::size_t slots = 1024;
    struct Slot {
        Key key; // its name is the route's
        std::shared_ptr<const Route> route;
    };

    static std::size_t slot_of(const Key &key);

    std::array<Slot, slots> slots_;
};

} // namespace proxymap
