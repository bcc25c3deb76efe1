// Objects that come and go with each login. One that is given back waits for the next one to need
// it, with the memory that its strings and vectors have: at full speed nothing is allocated.
#pragma once

#include <cstddef>
#include <memory>
#include <utility>
#include <vector>

namespace proxymap {

template <typename T> class Spares {
  public:
    // As it was given back, or new.
    std::unique_ptr<T> take()
    {
        if (kept_.empty())
            return std::make_unique<T>();
        auto one = std::move(kept_.back());
        kept_.pop_back();
        return one;
    }

    void give_back(std::unique_ptr<T> one)
    {
        if (kept_.size() < most_kept)
            kept_.push_back(std::move(one));
    }

  private:
    // What a busy second needs at once; what an outage has piled up is freed.
    static constexpr std::size_t most_kept = 256;
    std::vector<std::unique_ptr<T>> kept_;
};

} // namespace proxymap
