// src/doveadm-proxymap/table_lock.cc: one writing command at a time.
#include "doveadm-proxymap/table_lock.h"

#include "table_folder.h"

#include <CppUTest/TestHarness.h>

#include <optional>
#include <unistd.h>

using namespace proxymap;

namespace {

using std::chrono::milliseconds;

void no_sleep(milliseconds /*time*/) {}

} // namespace

TEST_GROUP(table_lock)
{
    Table_folder folder;
    const std::string path = folder.path(".");
    std::optional<Table_lock> first;

    void take_first()
    {
        Result<Table_lock> lock = Table_lock::take(path, no_sleep);
        CHECK_TRUE(lock.ok());
        first.emplace(std::move(*lock));
    }
};

TEST(table_lock, what_nobody_holds_is_taken_without_waiting)
{
    CHECK_TRUE(Table_lock::take(path, [](milliseconds) { FAIL("it waits"); }).ok());
}

TEST(table_lock, whoever_waits_gets_it_as_soon_as_the_other_lets_it_go)
{
    take_first();
    int sleeps = 0;
    const auto second = Table_lock::take(path, [&](milliseconds) {
        if (++sleeps == 3)
            first.reset();
    });
    CHECK_TRUE(second.ok());
    CHECK_EQUAL(3, sleeps);
}

TEST(table_lock, whoever_has_waited_five_seconds_is_told_which_process_holds_it)
{
    take_first();
    milliseconds slept{0};
    int sleeps = 0;
    const auto second = Table_lock::take(path, [&](milliseconds time) {
        slept += time;
        sleeps++;
    });
    STRCMP_EQUAL((path + ": another command is writing (process " + std::to_string(getpid()) +
                  "): try again when it has ended")
                     .c_str(),
                 second.error().message.c_str());
    CHECK_EQUAL(5000, slept.count());
    CHECK_TRUE(sleeps < 100); // it sleeps rather than tries
}

TEST(table_lock, nobody_is_named_where_the_file_does_not_say_who_it_is)
{
    take_first();
    write_all(path + "/tool.lock", "");
    STRCMP_CONTAINS("another command is writing: try",
                    Table_lock::take(path, no_sleep).error().message.c_str());
    write_all(path + "/tool.lock", "-7 is no process\n");
    STRCMP_CONTAINS("another command is writing: try",
                    Table_lock::take(path, no_sleep).error().message.c_str());
}

TEST(table_lock, a_process_that_died_holds_it_no_more)
{
    const std::string died = in_child([&]() -> std::string {
        const auto lock = Table_lock::take(path, no_sleep);
        _exit(lock ? 0 : 3); // without letting it go
    });
    STRCMP_EQUAL("", died.c_str());
    take_first();
}
