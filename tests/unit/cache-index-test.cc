// The index and the pages below it: they grow and shrink in small steps and lose nothing.
#include "core/cache_index.h"

#include <algorithm>
#include <vector>

#include <CppUTest/TestHarness.h>

using namespace proxymap;

namespace {

struct Node {
    std::uint32_t hash;
    std::uint32_t next;
};

struct Nodes {
    using Link = std::uint32_t;
    static constexpr Link nil = UINT32_MAX;
    std::vector<Node> *all;
    Link &next(Link id) const { return (*all)[id].next; }
    std::uint32_t hash(Link id) const { return (*all)[id].hash; }
};

using Index = Linear_index<Nodes>;

std::vector<Node> make_nodes(std::uint32_t count, std::uint32_t multiplier)
{
    std::vector<Node> nodes;
    for (std::uint32_t i = 0; i < count; ++i)
        nodes.push_back({i * multiplier, Nodes::nil});
    return nodes;
}

bool holds(const Index &index, const Nodes &nodes, std::uint32_t wanted)
{
    std::uint32_t id = index.first(nodes.hash(wanted));
    while (id != Nodes::nil && id != wanted)
        id = nodes.next(id);
    return id == wanted;
}

} // namespace

TEST_GROUP(cache_index){};

TEST(cache_index, finds_every_node_while_it_grows_and_shrinks)
{
    constexpr std::uint32_t count = 50'000;
    std::vector<Node> all = make_nodes(count, 2654435761U);
    const Nodes nodes{&all};
    Index index(nodes, count);
    for (std::uint32_t id = 0; id < count; ++id) {
        index.insert(id);
        CHECK(holds(index, nodes, id) && holds(index, nodes, id / 2));
    }
    for (std::uint32_t id = 0; id < count; ++id)
        CHECK(holds(index, nodes, id));
    for (std::uint32_t id = 0; id < count; ++id) {
        index.erase(id);
        CHECK(!holds(index, nodes, id));
        CHECK(id + 1 == count || holds(index, nodes, id + (count - id) / 2));
    }
    LONGS_EQUAL(0, index.count());
}

TEST(cache_index, nodes_with_one_hash_stay_apart)
{
    constexpr std::uint32_t count = 500;
    std::vector<Node> all = make_nodes(count, 0);
    const Nodes nodes{&all};
    Index index(nodes, count);
    for (std::uint32_t id = 0; id < count; ++id)
        index.insert(id);
    for (std::uint32_t id = 0; id < count; id += 2)
        index.erase(id);
    for (std::uint32_t id = 0; id < count; ++id)
        CHECK_EQUAL(id % 2 == 1, holds(index, nodes, id));
}

TEST(cache_index, memory_follows_the_nodes_and_never_by_more_than_its_slack)
{
    constexpr std::uint32_t count = 100'000;
    std::vector<Node> all = make_nodes(count, 2654435761U);
    Index index(Nodes{&all}, count);
    const std::uint64_t empty = index.bytes();
    std::uint64_t before = empty;
    for (std::uint32_t id = 0; id < count; ++id) {
        index.insert(id);
        CHECK(index.bytes() - before <= Index::Buckets::allocated_page_bytes);
        before = index.bytes();
        CHECK(before <= empty + index.count() * Index::bytes_per_node + Index::slack_bytes);
    }
    for (std::uint32_t id = 0; id < count; ++id) {
        index.erase(id);
        CHECK(index.bytes() <= empty + index.count() * Index::bytes_per_node + Index::slack_bytes);
    }
    CHECK(index.bytes() <= empty + Index::slack_bytes);
}

TEST(cache_index, a_renamed_node_is_found_under_its_new_name)
{
    std::vector<Node> all = make_nodes(4, 0);
    all[3] = {7, Nodes::nil};
    const Nodes nodes{&all};
    Index index(nodes, all.size());
    index.insert(3);
    all[0] = all[3];
    index.rename(3, 0);
    CHECK(holds(index, nodes, 0));
    LONGS_EQUAL(0, index.first(7));
}

TEST(cache_index, a_block_costs_what_malloc_takes_for_it)
{
    LONGS_EQUAL(0, heap_bytes(0));
    LONGS_EQUAL(32, heap_bytes(1));
    LONGS_EQUAL(32, heap_bytes(24));
    LONGS_EQUAL(48, heap_bytes(25));
    LONGS_EQUAL(112, heap_bytes(100));
}

TEST(cache_index, pages_keep_their_items_and_are_given_back)
{
    using Array = Paged_array<std::uint64_t>;
    Array array(10 * Array::per_page);
    const std::uint64_t empty = array.bytes();
    for (std::uint64_t i = 0; i < 10 * Array::per_page; ++i)
        array.push_back(i);
    LONGS_EQUAL(empty + 10 * Array::allocated_page_bytes, array.bytes());
    for (std::uint64_t i = 0; i < array.size(); ++i)
        CHECK(array[i] == i);
    while (array.size() > Array::per_page)
        array.pop_back();
    CHECK(array.bytes() <= empty + 2 * Array::allocated_page_bytes);
    CHECK(array[Array::per_page - 1] == Array::per_page - 1);
}
