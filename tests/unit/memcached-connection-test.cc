// One connection: used up by its first error, and never quietly another one.
#include "store/memcached_connection.h"

#include "fake_memcached.h"

#include <memory>
#include <string>
#include <utility>

#include <CppUTest/TestHarness.h>

using namespace proxymap;
using Use = Memcached_connection::Use;
using Manner = Fake_memcached::Manner;

TEST_GROUP(memcached_connection)
{
    Fake_memcached server;

    std::unique_ptr<Memcached_connection> open(Use use)
    {
        auto connection = Memcached_connection::open({"127.0.0.1", server.port(), ""}, 5000, use);
        CHECK(connection.ok());
        return std::move(*connection);
    }
};

TEST(memcached_connection, it_knows_whether_its_server_evicts)
{
    CHECK(open(Use::reader)->keeps_everything());
    server.set_evictions(true);
    CHECK_FALSE(open(Use::reader)->keeps_everything());
}

TEST(memcached_connection, items_come_in_the_order_of_the_keys)
{
    server.set_item("a", "1");
    server.set_item("c", "");
    const auto items = open(Use::reader)->get({"a", "b", "c", "a"});
    CHECK(items.ok());
    STRCMP_EQUAL("1", items.value()[0]->value.c_str());
    CHECK(!items.value()[1]);
    STRCMP_EQUAL("", items.value()[2]->value.c_str());
    CHECK(items.value()[3].has_value());
}

// libmemcached connects again without a word; nothing that is known of the old server holds.
TEST(memcached_connection, another_socket_in_its_place_is_an_error_however_well_it_answers)
{
    server.set_item("a", "1");
    const auto connection = open(Use::reader);
    server.behave(Manner::closes);
    CHECK(!connection->get({"a"}).ok());
    CHECK(connection->broken());
    CHECK(connection->closed());
    server.behave(Manner::honest);
    const auto gets = server.gets();
    CHECK(!connection->get({"a"}).ok());
    UNSIGNED_LONGS_EQUAL(gets + 1, server.gets()); // it was asked, and did answer
    UNSIGNED_LONGS_EQUAL(2, server.connections());
}

TEST(memcached_connection, a_key_that_would_be_a_command_is_refused)
{
    const auto connection = open(Use::reader);
    CHECK(!connection->get({"a\r\nflush_all"}).ok());
    CHECK(!open(Use::reader)->get({"a b"}).ok());
    CHECK(!open(Use::reader)->get({std::string(300, 'k')}).ok());
    for (const auto &command : server.commands()) {
        CHECK_TEXT(command == "version" || command == "stats settings" || command == "quit",
                   command.c_str());
    }
}

TEST(memcached_connection, a_full_server_says_so)
{
    server.set_full(true);
    const auto done = open(Use::reader)->set("a", "1");
    CHECK(!done.ok());
    STRCMP_EQUAL("writing: it is full; give it more memory (-m)", done.error().message.c_str());
}
