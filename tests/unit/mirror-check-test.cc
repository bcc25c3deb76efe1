// What stands in a mirror beside what should.
#include "doveadm-proxymap/memcached_text.h"
#include "doveadm-proxymap/mirror_check.h"
#include "doveadm-proxymap/mirror_state.h"

#include "fake_table.h"

#include <CppUTest/TestHarness.h>

using namespace proxymap;

namespace {

const std::string pos = " pos=0000000000000007.1.";
const std::string record = "user joe host=b1" + pos + "2";

std::string finding(const std::string &value, const Configuration &configuration = {},
                    std::uint64_t marker = 2)
{
    const auto found = compare_value(&value, {Kind::user, "joe"}, record,
                                     Marker{at(marker), Mirror_state::complete}, configuration);
    return found ? std::string(to_string(*found)) : "same";
}

} // namespace

TEST_GROUP(mirror_check){};

TEST(mirror_check, the_same_text_is_the_same)
{
    STRCMP_EQUAL("same", finding(record).c_str());
}

TEST(mirror_check, nothing_is_missing_and_so_is_a_tombstone)
{
    CHECK_TRUE(compare_value(nullptr, {Kind::user, "joe"}, record, {}, {}) == Finding::missing);
    STRCMP_EQUAL("missing", finding("user joe deleted" + pos + "2").c_str());
}

TEST(mirror_check, other_fields_or_another_position_differ)
{
    STRCMP_EQUAL("differs", finding("user joe host=b2" + pos + "2").c_str());
    STRCMP_EQUAL("differs", finding("user joe host=b1" + pos + "1").c_str());
}

TEST(mirror_check, what_is_no_record_of_that_name_is_unreadable)
{
    STRCMP_EQUAL("unreadable", finding("nonsense").c_str());
    STRCMP_EQUAL("unreadable", finding("user john host=b1" + pos + "2").c_str());
    STRCMP_EQUAL("unreadable", finding("").c_str());
}

TEST(mirror_check, of_two_versions_the_one_in_force_counts)
{
    const std::string both = "user joe host=b2" + pos + "1\n" + record;
    STRCMP_EQUAL("same", finding(both).c_str());
    STRCMP_EQUAL("differs", finding(both, {}, 1).c_str());
}

TEST(mirror_check, with_seal_keys_the_seal_must_be_good)
{
    Configuration sealed;
    sealed.seal_keys.current = "k";
    sealed.seal_keys.keys["k"] = std::string(32, 'x');
    const std::string seal = make_seal(sealed.seal_keys, sealed.settings.name_space, record);
    STRCMP_EQUAL("same", finding(record + " seal=" + seal, sealed).c_str());
    STRCMP_EQUAL("badly sealed", finding(record, sealed).c_str());
    STRCMP_EQUAL("badly sealed",
                 finding("user joe host=b2" + pos + "2 seal=" + seal, sealed).c_str());
}

TEST(mirror_check, the_marker_tells_the_state)
{
    const auto state = [](std::uint64_t sequence, Mirror_state marker,
                          std::uint64_t id = our_table) {
        return std::string(mirror_state(Marker{at(sequence, id), marker}, at(2)));
    };
    STRCMP_EQUAL("current", state(2, Mirror_state::complete).c_str());
    STRCMP_EQUAL("behind", state(1, Mirror_state::complete).c_str());
    STRCMP_EQUAL("behind", state(2, Mirror_state::behind).c_str());
    STRCMP_EQUAL("loading", state(2, Mirror_state::loading).c_str());
    STRCMP_EQUAL("newer", state(3, Mirror_state::complete).c_str());
    STRCMP_EQUAL("another table", state(2, Mirror_state::complete, 8).c_str());
    STRCMP_EQUAL("empty", std::string(mirror_state(std::nullopt, at(2))).c_str());
}

TEST(mirror_check, the_keys_of_a_metadump_are_decoded)
{
    CHECK_TRUE(parse_dumped_key("key=pm%3Auser%3Aj%2525 exp=-1 la=1 cas=2") == "pm:user:j%25");
    CHECK_TRUE(parse_dumped_key("key=a") == "a");
    for (const char *line : {"", "key=", "END", "ERROR", "key=%", "key=%4", "key=%4x", "key= x"})
        CHECK_TRUE(!parse_dumped_key(line));
}
