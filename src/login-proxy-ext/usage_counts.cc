// Finds the counter of a source and a destination, and counts; see usage_counts.h.
//
// MUST: what is found in the shared memory is only ever "the place that I probed". No index is read
// from there, so none can lead out of it.
#include "usage_counts.h"

#include "../core/cache_hash.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <string_view>

namespace proxymap {

using namespace usage;

namespace {

// A table that is half full seldom needs more than a few.
constexpr std::size_t max_probes = 128;

constexpr std::uint32_t no_place = UINT32_MAX;

// The key of a place. Two addresses with one key would share a counter, which the 64 bits make as
// good as impossible; and a hash, unlike an address, is written at one stroke.
std::uint64_t key_of(const Ip &ip, std::uint16_t port)
{
    std::array<char, 19> bytes{};
    std::memcpy(bytes.data(), ip.bytes.data(), ip.bytes.size());
    bytes[16] = ip.v6 ? 6 : 4;
    bytes[17] = static_cast<char>(port >> 8U);
    bytes[18] = static_cast<char>(port & 0xffU);
    const std::uint64_t hash =
        sip_hash<1, 3>(Hash_key{}, std::string_view(bytes.data(), bytes.size()));
    return hash == 0 ? 1 : hash;
}

template <std::size_t size>
std::uint32_t place_of(std::array<std::atomic<std::uint64_t>, size> &table, std::uint64_t key)
{
    for (std::size_t i = 0; i < max_probes; i++) {
        const std::size_t place = (key + i) % size;
        std::uint64_t there = table[place].load(std::memory_order_relaxed);
        if (there == 0 && table[place].compare_exchange_strong(there, key))
            return static_cast<std::uint32_t>(place);
        if (there == key)
            return static_cast<std::uint32_t>(place);
    }
    return no_place;
}

// Where it is already.
template <std::size_t size>
std::uint32_t known_place(const std::array<std::atomic<std::uint64_t>, size> &table,
                          std::uint64_t key)
{
    for (std::size_t i = 0; i < max_probes; i++) {
        const std::size_t place = (key + i) % size;
        if (table[place].load(std::memory_order_relaxed) == key)
            return static_cast<std::uint32_t>(place);
    }
    return no_place;
}

std::optional<std::vector<std::uint16_t>> places_in(Layout &layout,
                                                    const std::vector<Ip> &addresses)
{
    static_assert(max_sources - 1 <= UINT16_MAX);
    std::vector<std::uint16_t> places;
    places.reserve(addresses.size());
    for (const Ip &address : addresses) {
        const std::uint32_t place = place_of(layout.sources, key_of(address, 0));
        if (place == no_place)
            return std::nullopt;
        places.push_back(static_cast<std::uint16_t>(place));
    }
    return places;
}

} // namespace

Usage_counts::Lease &Usage_counts::Lease::operator=(Lease &&other) noexcept
{
    if (this != &other) {
        release();
        counts_ = std::move(other.counts_);
        shared_ = other.shared_;
        cell_ = other.cell_;
    }
    return *this;
}

void Usage_counts::Lease::release() noexcept
{
    if (const std::shared_ptr<Usage_counts> counts = std::move(counts_))
        counts->give_back(shared_, cell_);
}

std::uint16_t Usage_counts::Row::read(std::uint16_t *used, std::size_t count) const
{
    if (counters_ == nullptr) {
        std::fill_n(used, count, std::uint16_t{0});
        return 0;
    }
    std::uint16_t least = UINT16_MAX;
    for (std::size_t i = 0; i < count; i++) {
        const std::uint16_t now = counters_[places_[i]].load(std::memory_order_relaxed);
        used[i] = now;
        least = std::min(least, now);
    }
    return least;
}

Usage_counts::Usage_counts(Key, std::optional<File> shared) : shared_(std::move(shared))
{
    if (shared_)
        ledger_.emplace(*shared_);
}

Result<std::shared_ptr<Usage_counts>> Usage_counts::open(const std::string &path)
{
    Result<File> file = File::open(path);
    if (!file)
        return file.error();
    return std::make_shared<Usage_counts>(Key{}, std::move(*file));
}

std::shared_ptr<Usage_counts> Usage_counts::private_counts()
{
    return std::make_shared<Usage_counts>(Key{}, std::nullopt);
}

Layout &Usage_counts::own_layout()
{
    if (!own_)
        own_.emplace(File::make_private());
    return own_->layout();
}

Usage_counts::Places Usage_counts::places(const std::vector<Ip> &addresses)
{
    Places places;
    if (shared_)
        places.shared = places_in(shared_->layout(), addresses);
    return places;
}

Usage_counts::Row Usage_counts::row(Places &places, const std::vector<Ip> &addresses,
                                    const Ip &destination, std::uint16_t port, std::uint64_t now)
{
    const std::uint64_t key = key_of(destination, port);
    Row row;
    if (ledger_)
        ledger_->sweep_if_due(now);
    if (places.shared && ledger_->has_room(now)) {
        Layout &layout = shared_->layout();
        if (const std::uint32_t place = place_of(layout.destinations, key); place != no_place) {
            row.counters_ = layout.counters[place].data();
            row.places_ = places.shared->data();
            row.first_cell_ = place * max_sources;
            row.shared_ = true;
            return row;
        }
    }
    Layout &layout = own_layout();
    if (!places.own)
        places.own = places_in(layout, addresses);
    const std::uint32_t place = place_of(layout.destinations, key);
    if (places.own && place != no_place) {
        row.counters_ = layout.counters[place].data();
        row.places_ = places.own->data();
        row.first_cell_ = place * max_sources;
    }
    return row;
}

Usage_counts::Lease Usage_counts::count(const Row &row, std::size_t i)
{
    if (row.counters_ == nullptr)
        return {};
    const std::uint32_t cell = row.first_cell_ + row.places_[i];
    if (row.shared_)
        ledger_->add(cell);
    else
        add_one(own_->layout().counters[cell / max_sources][cell % max_sources]);
    return Lease(shared_from_this(), row.shared_, cell);
}

void Usage_counts::give_back(bool shared, std::uint32_t cell)
{
    if (shared)
        ledger_->remove(cell);
    else
        subtract(own_->layout().counters[cell / max_sources][cell % max_sources], 1);
}

void Usage_counts::reclaim()
{
    if (ledger_)
        ledger_->sweep_all();
}

Result<Usage_view> Usage_view::open(const std::string &path)
{
    Result<const Layout *> layout = File::map_for_reading(path);
    if (!layout)
        return layout.error();
    return Usage_view(*layout);
}

Usage_view::~Usage_view()
{
    if (layout_ != nullptr)
        File::unmap(layout_);
}

std::uint16_t Usage_view::used(const Ip &from, const Ip &destination, std::uint16_t port) const
{
    const std::uint32_t source = known_place(layout_->sources, key_of(from, 0));
    const std::uint32_t place = known_place(layout_->destinations, key_of(destination, port));
    return source == no_place || place == no_place
               ? std::uint16_t{0}
               : layout_->counters[place][source].load(std::memory_order_relaxed);
}

} // namespace proxymap
