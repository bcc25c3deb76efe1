// What stands in a mirror beside what should.
#include "doveadm-proxymap/memcached_text.h"
#include "doveadm-proxymap/mirror_check.h"
#include "doveadm-proxymap/mirror_state.h"

#include "fake_table.h"
#include "table_folder.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>
#include <thread>

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

// What the tool makes of a server that says this when it is asked for its keys.
std::string listed_keys(const std::string &answer)
{
    const Table_folder folder;
    const std::string path = folder.path() + ".socket";
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strncpy(address.sun_path, path.c_str(), sizeof(address.sun_path) - 1);
    const int listener = socket(AF_UNIX, SOCK_STREAM, 0);
    CHECK(bind(listener, reinterpret_cast<sockaddr *>(&address), sizeof(address)) == 0 &&
          listen(listener, 1) == 0);
    std::thread server([&] {
        const int client = accept(listener, nullptr, nullptr);
        const std::string all = "VERSION 1.6.45\r\n" + answer;
        char bytes[256];
        if (write(client, all.data(), all.size()) > 0) {
            while (read(client, bytes, sizeof(bytes)) > 0) {
            }
        }
        close(client);
    });
    std::string keys;
    {
        const auto connection =
            Memcached_text::connect({Store_address::Type::memcached, "", 0, path});
        CHECK(connection.ok());
        const Result<Done> done =
            (*connection)->for_each_key([&keys](std::string &&key) { keys += key + ' '; });
        if (!done)
            keys = done.error().message;
    }
    server.join();
    close(listener);
    return keys;
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

// Newer servers say OK first.
TEST(mirror_check, the_keys_of_a_server_are_listed)
{
    STRCMP_EQUAL("a b ", listed_keys("key=a exp=-1\r\nkey=b\r\nEND\r\n").c_str());
    STRCMP_EQUAL("a b ", listed_keys("OK\r\nkey=a exp=-1\r\nkey=b\r\nEND\r\n").c_str());
    STRCMP_EQUAL("", listed_keys("OK\r\nEND\r\n").c_str());
    for (const char *other : {"BUSY currently processing crawler request\r\n", "ERROR\r\n",
                              "OK\r\nOK\r\nEND\r\n", "key=a\r\nOK\r\nEND\r\n"})
        CHECK_TRUE(listed_keys(other).starts_with("it does not list its keys: "));
}

TEST(mirror_check, the_keys_of_a_metadump_are_decoded)
{
    CHECK_TRUE(parse_dumped_key("key=pm%3Auser%3Aj%2525 exp=-1 la=1 cas=2") == "pm:user:j%25");
    CHECK_TRUE(parse_dumped_key("key=a") == "a");
    for (const char *line : {"", "key=", "END", "ERROR", "key=%", "key=%4", "key=%4x", "key= x"})
        CHECK_TRUE(!parse_dumped_key(line));
}
