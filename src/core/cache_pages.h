// An array that grows and shrinks by pages of 16 KB: what it holds is never copied to a bigger
// block, so growing costs at most one page of memory and no pause.
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <type_traits>
#include <vector>

namespace proxymap {

// What malloc takes for a block, as glibc does it: 8 bytes of its own, rounded up to 16, at least
// 32. Nothing for no block.
constexpr std::uint64_t heap_bytes(std::uint64_t size)
{
    return size == 0 ? 0 : std::max<std::uint64_t>(32, (size + 8 + 15) & ~std::uint64_t{15});
}

template <typename T> class Paged_array {
  public:
    static constexpr std::size_t page_bytes = 16384;
    static constexpr std::size_t per_page = page_bytes / sizeof(T);
    static_assert(std::has_single_bit(per_page) && std::is_trivially_copyable_v<T>);

    // max_items sizes the list of pages, so that it need not grow later.
    explicit Paged_array(std::size_t max_items) { pages_.reserve(max_items / per_page + 2); }

    T &operator[](std::size_t i) { return pages_[i / per_page]->items[i % per_page]; }
    const T &operator[](std::size_t i) const { return pages_[i / per_page]->items[i % per_page]; }
    std::size_t size() const { return size_; }

    // Changes nothing when it throws std::bad_alloc.
    void push_back(const T &item)
    {
        if (size_ == pages_.size() * per_page)
            pages_.push_back(std::make_unique_for_overwrite<Page>());
        (*this)[size_] = item;
        ++size_;
    }

    // Keeps one empty page, so that a size that swings around a page's end costs nothing.
    void pop_back()
    {
        --size_;
        if (size_ + 2 * per_page <= pages_.size() * per_page)
            pages_.pop_back();
    }

    void clear()
    {
        pages_.clear();
        size_ = 0;
    }

    // Everything allocated. At most size() items, two pages and the list of pages.
    std::uint64_t bytes() const
    {
        return pages_.size() * allocated_page_bytes +
               heap_bytes(pages_.capacity() * sizeof(void *));
    }

    static constexpr std::uint64_t allocated_page_bytes = heap_bytes(page_bytes);

  private:
    struct alignas(64) Page { // a cache line, so that no item of 64 bytes lies in two
        T items[per_page];
    };
    std::vector<std::unique_ptr<Page>> pages_;
    std::size_t size_ = 0;
};

} // namespace proxymap
