// A hash index that never pauses: linear hashing (Litwin, 1980). The number of buckets follows the
// number of nodes one by one: a new bucket takes its nodes from a single older one, so no insert
// does more than a few steps and the memory grows by a page at a time.
//
// It compares hashes only to place nodes; whether a node is the one wanted, the caller decides.
#pragma once

#include "cache_pages.h"

#include <bit>
#include <cstddef>
#include <cstdint>

namespace proxymap {

// Nodes says how nodes are named and linked:
//   Link                         an index or a pointer
//   nil                          the Link that is none
//   Link &next(Link) const       the node's own link, which belongs to the index
//   std::uint32_t hash(Link) const
template <typename Nodes> class Linear_index {
  public:
    using Link = typename Nodes::Link;
    using Buckets = Paged_array<Link>;

    // Two buckets for each node: most chains have one node or none.
    static constexpr std::size_t buckets_per_node = 2;
    static constexpr std::uint64_t bytes_per_node = buckets_per_node * sizeof(Link);
    // What bytes() may exceed nodes * bytes_per_node by, the list of pages aside: a page of
    // buckets that are always there, one kept when nodes go, and the two of Paged_array.
    static constexpr std::uint64_t slack_bytes = 4 * Buckets::allocated_page_bytes;

    Linear_index(Nodes nodes, std::size_t max_nodes)
        : nodes_(nodes), buckets_(max_nodes * buckets_per_node + 2 * Buckets::per_page)
    {
        clear();
    }

    // The chain in which a node with this hash is, if it is anywhere; follow it by next().
    Link first(std::uint32_t hash) const { return buckets_[home(hash)]; }

    // Changes nothing when it throws std::bad_alloc.
    void insert(Link node)
    {
        while (buckets_.size() < (count_ + 1) * buckets_per_node)
            split();
        Link &bucket = buckets_[home(nodes_.hash(node))];
        nodes_.next(node) = bucket;
        bucket = node;
        ++count_;
    }

    // The node must be in the index.
    void erase(Link node)
    {
        *pointing_to(node) = nodes_.next(node);
        --count_;
        while (buckets_.size() > count_ * buckets_per_node + 2 * Buckets::per_page)
            merge();
    }

    // The node now goes by another name; its hash and its own link are the same.
    void rename(Link from, Link to) { *pointing_to(from) = to; }

    void clear()
    {
        buckets_.clear();
        while (buckets_.size() < Buckets::per_page)
            buckets_.push_back(Nodes::nil);
        count_ = 0;
    }

    std::size_t count() const { return count_; }
    std::uint64_t bytes() const { return buckets_.bytes(); }

  private:
    std::size_t home(std::uint32_t hash) const
    {
        const std::size_t mask = std::bit_ceil(buckets_.size()) - 1;
        const std::size_t bucket = hash & mask;
        return bucket < buckets_.size() ? bucket : hash & (mask >> 1U);
    }

    // The bucket that the nodes of this one came from when it was added.
    static std::size_t parent(std::size_t bucket) { return bucket - std::bit_floor(bucket); }

    Link *pointing_to(Link node)
    {
        Link *link = &buckets_[home(nodes_.hash(node))];
        while (*link != node)
            link = &nodes_.next(*link);
        return link;
    }

    void split()
    {
        const std::size_t added = buckets_.size();
        buckets_.push_back(Nodes::nil);
        Link *link = &buckets_[parent(added)];
        while (*link != Nodes::nil) {
            const Link node = *link;
            if (home(nodes_.hash(node)) == added) {
                *link = nodes_.next(node);
                nodes_.next(node) = buckets_[added];
                buckets_[added] = node;
            } else {
                link = &nodes_.next(node);
            }
        }
    }

    void merge()
    {
        const std::size_t removed = buckets_.size() - 1;
        Link *link = &buckets_[parent(removed)];
        while (*link != Nodes::nil)
            link = &nodes_.next(*link);
        *link = buckets_[removed];
        buckets_.pop_back();
    }

    Nodes nodes_;
    Buckets buckets_;
    std::size_t count_ = 0;
};

} // namespace proxymap
