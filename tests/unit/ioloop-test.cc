// src/dovecot/ioloop.cc: the stores' Loop on Dovecot's ioloop.
#include "dovecot/ioloop.h"

#include <array>
#include <stdexcept>
#include <string>
#include <unistd.h>

extern "C" {
#include <lib.h>

#include <ioloop.h>
}

#include <CppUTest/TestHarness.h>

using namespace proxymap;

TEST_GROUP(ioloop)
{
    struct ioloop *native = nullptr;
    std::unique_ptr<Loop> loop;
    std::array<int, 2> ends{};

    void setup() override
    {
        static const bool initialized = (lib_init(), true); // once a process
        CHECK_TRUE(initialized);
        native = io_loop_create();
        loop = make_ioloop();
        CHECK_EQUAL(0, pipe(ends.data()));
    }
    void teardown() override
    {
        loop.reset();
        close(ends[0]);
        close(ends[1]);
        io_loop_destroy(&native);
    }
    void make_readable()
    {
        CHECK_EQUAL(1, write(ends[1], "x", 1));
    }
    void run_until_stopped()
    {
        io_loop_run(native);
    }
    void stop()
    {
        io_loop_stop(native);
    }
};

TEST(ioloop, a_readable_descriptor_calls_back)
{
    unsigned calls = 0;
    const auto watch = loop->when_readable(ends[0], [&] {
        ++calls;
        stop();
    });
    make_readable();
    run_until_stopped();
    CHECK_EQUAL(1U, calls);
}

TEST(ioloop, a_callback_may_destroy_its_own_watch_and_still_use_what_it_holds)
{
    std::unique_ptr<Loop::Watch> watch;
    std::string seen;
    const std::string held(100, 'h'); // too long for the small string: freed memory would show
    watch = loop->when_readable(ends[0], [&, held] {
        watch.reset();
        seen = held;
        stop();
    });
    make_readable();
    run_until_stopped();
    CHECK_EQUAL(held, seen);
}

TEST(ioloop, a_destroyed_watch_is_never_called)
{
    bool called = false;
    auto watch = loop->when_readable(ends[0], [&] { called = true; });
    auto timer = loop->after(0, [&] { called = true; });
    make_readable();
    watch.reset();
    timer.reset();
    const auto last = loop->after(1, [&] { stop(); });
    run_until_stopped();
    CHECK_FALSE(called);
}

TEST(ioloop, a_time_comes_once)
{
    unsigned calls = 0;
    const auto once = loop->after(1, [&] { ++calls; });
    unsigned rounds = 0;
    std::unique_ptr<Loop::Watch> again;
    Loop::Callback next = [&] {
        if (++rounds == 5)
            stop();
        else
            again = loop->after(1, next);
    };
    again = loop->after(1, next);
    run_until_stopped();
    CHECK_EQUAL(1U, calls);
}

TEST(ioloop, a_timer_may_destroy_itself_or_be_replaced_in_its_own_callback)
{
    std::unique_ptr<Loop::Watch> timer;
    bool second = false;
    timer = loop->after(1, [&] {
        timer = loop->after(1, [&] {
            timer.reset();
            second = true;
            stop();
        });
    });
    run_until_stopped();
    CHECK_TRUE(second);
}

TEST(ioloop, watches_belong_to_the_loop_that_was_current_when_it_was_made)
{
    struct ioloop *other = io_loop_create();
    bool called = false;
    const auto timer = loop->after(0, [&] {
        called = true;
        stop();
    });
    io_loop_destroy(&other);
    run_until_stopped();
    CHECK_TRUE(called);
}

TEST(ioloop, an_exception_ends_in_the_log_and_the_loop_goes_on)
{
    static unsigned errors;
    errors = 0;
    i_set_error_handler([](const struct failure_context *, const char *, va_list) { ++errors; });
    const auto bad = loop->after(0, [] { throw std::runtime_error("a bug"); });
    const auto last = loop->after(2, [&] { stop(); });
    run_until_stopped();
    CHECK_EQUAL(1U, errors);
    i_set_error_handler(default_error_handler);
}
