// A connection for writing: what its replies must be, and that it is used up by the first one that
// is not.
#include "store/memcached_pipe.h"

#include "fake_memcached.h"
#include "store_asking.h"

#include <memory>
#include <string>

#include <CppUTest/TestHarness.h>

using namespace proxymap;
using store_asking::holds;
using Manner = Fake_memcached::Manner;
using Door = Fake_memcached::Door;

TEST_GROUP(memcached_pipe)
{
    Fake_memcached server;
    std::unique_ptr<Memcached_pipe> pipe;

    void setup() override
    {
        auto opened = open();
        CHECK(opened.ok());
        pipe = std::move(*opened);
    }
    void teardown() override
    {
        pipe.reset();
    }
    Result<std::unique_ptr<Memcached_pipe>> open(std::uint32_t timeout = 5000)
    {
        return Memcached_pipe::open({"127.0.0.1", server.port(), ""}, timeout);
    }
    static void check_refused(const auto &result, const std::string &because)
    {
        CHECK(!result.ok());
        CHECK_TEXT(holds(result.error().message, because), result.error().message.c_str());
    }
};

TEST(memcached_pipe, nothing_is_sent_before_it_must_be)
{
    CHECK(pipe->set("a", "1").ok());
    STRCMP_EQUAL("", server.item("a").c_str());
    CHECK(pipe->flush().ok());
    STRCMP_EQUAL("1", server.item("a").c_str());
}

TEST(memcached_pipe, a_question_sends_what_came_before_it)
{
    CHECK(pipe->set("a", "1").ok());
    const auto item = pipe->get("a");
    CHECK(item.ok() && item->has_value());
    STRCMP_EQUAL("1", (*item)->value.c_str());
    CHECK((*item)->cas > 0);
}

TEST(memcached_pipe, what_is_absent_is_no_error)
{
    const auto item = pipe->get("a");
    CHECK(item.ok() && !item->has_value());
    CHECK(pipe->remove("a").ok() && pipe->flush().ok());
}

TEST(memcached_pipe, an_empty_value_is_a_value)
{
    CHECK(pipe->set("a", "").ok());
    const auto item = pipe->get("a");
    CHECK(item.ok() && item->has_value() && (*item)->value.empty());
}

TEST(memcached_pipe, only_the_item_that_was_seen_is_replaced)
{
    CHECK(pipe->set("a", "1").ok());
    const auto seen = pipe->get("a");
    CHECK(pipe->replace("a", "2", (*seen)->cas).ok());
    STRCMP_EQUAL("2", server.item("a").c_str());
    check_refused(pipe->replace("a", "3", (*seen)->cas), "somebody else");
    STRCMP_EQUAL("2", server.item("a").c_str());
}

TEST(memcached_pipe, adding_needs_that_there_is_none)
{
    CHECK(pipe->add("a", "1").ok());
    check_refused(pipe->add("a", "2"), "somebody else");
    STRCMP_EQUAL("1", server.item("a").c_str());
}

TEST(memcached_pipe, a_refusal_names_the_key_of_its_own_command)
{
    server.set_full(true);
    CHECK(pipe->remove("a").ok());
    CHECK(pipe->set("b", "1").ok());
    CHECK(pipe->set("c", "1").ok());
    check_refused(pipe->flush(), "b: it is full");
}

TEST(memcached_pipe, overwriting_stores_what_is_there_and_what_is_not)
{
    server.set_item("a", "1");
    CHECK(pipe->overwrite("a", "2").ok());
    CHECK(pipe->overwrite("b", "2").ok());
    CHECK(pipe->overwrite("c", "2").ok());
    CHECK(pipe->flush().ok());
    for (const char *key : {"a", "b", "c"})
        STRCMP_EQUAL("2", server.item(key).c_str());
}

TEST(memcached_pipe, overwriting_without_room_keeps_the_old_value)
{
    server.set_item("a", "1");
    server.set_full(true);
    CHECK(pipe->overwrite("a", "2").ok());
    check_refused(pipe->flush(), "a: it is full");
    STRCMP_EQUAL("1", server.item("a").c_str());
}

TEST(memcached_pipe, after_an_error_it_is_of_no_use)
{
    server.set_full(true);
    CHECK(pipe->set("b", "1").ok());
    CHECK(!pipe->flush().ok());
    server.set_full(false);
    CHECK(!pipe->flush().ok());
    CHECK(!pipe->get("b").ok());
    CHECK(!pipe->add("c", "1").ok());
    STRCMP_EQUAL("", server.item("c").c_str());
}

TEST(memcached_pipe, an_answer_that_is_not_the_protocols_is_an_error)
{
    server.set_item("a", "1");
    for (const auto manner : {Manner::garbage, Manner::error, Manner::other_key, Manner::repeats,
                              Manner::partial, Manner::huge_length, Manner::negative_length,
                              Manner::long_key, Manner::version_in_between, Manner::closes}) {
        server.behave(manner);
        auto opened = open();
        CHECK(opened.ok());
        CHECK(!(*opened)->get("a").ok());
        CHECK(!(*opened)->flush().ok());
    }
}

TEST(memcached_pipe, a_silent_server_is_an_error_in_time)
{
    auto opened = open(20);
    CHECK(opened.ok());
    server.behave(Manner::silent);
    check_refused((*opened)->get("a"), "no answer within 20 ms");
}

TEST(memcached_pipe, a_server_that_takes_no_connection_is_an_error)
{
    server.set_door(Door::slammed);
    check_refused(open(), "connecting");
    server.set_door(Door::deaf);
    check_refused(open(20), "no answer within 20 ms");
    server.stop();
    check_refused(open(), "refused");
    check_refused(Memcached_pipe::open({"", 0, std::string(200, 'x')}, 20), "connecting");
    check_refused(Memcached_pipe::open({"", 0, "/nonexistent/socket"}, 20), "No such file");
}

TEST(memcached_pipe, counts_items_and_throws_them_away)
{
    CHECK(pipe->set("a", "1").ok() && pipe->set("b", "1").ok());
    LONGS_EQUAL(2, *pipe->item_count());
    CHECK(pipe->flush_all().ok());
    LONGS_EQUAL(0, *pipe->item_count());
}
