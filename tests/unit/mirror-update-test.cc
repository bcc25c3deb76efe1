// src/doveadm-proxymap/mirror_update.cc: what a mirror is sent, and when it may say "complete".
#include "doveadm-proxymap/mirror_update.h"

#include "fake_table.h"

#include <CppUTest/TestHarness.h>

using namespace proxymap;

namespace {

// Writes down what it is told: "begin 2, put a, finish 2".
class Fake_mirror final : public Mirror_writer {
  public:
    std::string refuses; // this put fails
    std::string told;

    Result<Done> begin(const Position &position) override
    {
        return note("begin " + std::to_string(position.sequence));
    }
    Result<Done> put(const Record &record) override
    {
        if (record.name == refuses)
            return Error{"m: refused"};
        return note("put " + record.name);
    }
    Result<Done> remove(Kind, const std::string &name) override { return note("remove " + name); }
    Result<Done> finish(const Position &position) override
    {
        return note("finish " + std::to_string(position.sequence));
    }

  private:
    Result<Done> note(const std::string &what)
    {
        told += (told.empty() ? "" : ", ") + what;
        return Done{};
    }
};

} // namespace

TEST_GROUP(mirror_update)
{
    Fake_table table;
    Fake_mirror mirror;
    Marker held;
    std::vector<Key> changed{{Kind::user, "b"}};

    void setup() override
    {
        for (const char *name : {"a", "b", "c"})
            table.records[{Kind::user, name}] = user_record(name);
    }
    Result<std::string> update(const Position &before = at(1), const Position &now = at(2))
    {
        return update_mirror("m", held, mirror, table, {before, now, changed});
    }
    void check_whole_table_sent()
    {
        CHECK_TRUE(update().ok());
        STRCMP_EQUAL("begin 2, put a, put b, put c, finish 2", mirror.told.c_str());
    }
    void check_refused()
    {
        const auto result = update();
        CHECK_FALSE(result.ok());
        CHECK_TRUE(result.error().message.starts_with("m: "));
        STRCMP_EQUAL("", mirror.told.c_str());
    }
};

TEST(mirror_update, a_mirror_that_was_complete_before_the_change_is_sent_the_change_alone)
{
    held = Marker{at(1), true};
    CHECK_TRUE(update().ok());
    STRCMP_EQUAL("begin 2, put b, finish 2", mirror.told.c_str());
}

TEST(mirror_update, an_empty_mirror_is_sent_the_whole_table)
{
    check_whole_table_sent();
}

TEST(mirror_update, a_mirror_that_is_behind_is_sent_the_whole_table)
{
    held = Marker{at(0), true};
    check_whole_table_sent();
}

TEST(mirror_update, a_mirror_left_half_loaded_is_sent_the_whole_table)
{
    held = Marker{at(1), false};
    check_whole_table_sent();
}

TEST(mirror_update, a_mirror_of_an_earlier_epoch_is_sent_the_whole_table)
{
    held = Marker{at(1, our_table, 0), true};
    check_whole_table_sent();
}

TEST(mirror_update, a_current_mirror_is_sent_nothing)
{
    changed.clear();
    held = Marker{at(2), true};
    CHECK_TRUE(update(at(2), at(2)).ok());
    STRCMP_EQUAL("", mirror.told.c_str());
}

TEST(mirror_update, without_a_change_a_mirror_that_is_behind_is_still_brought_up)
{
    changed.clear();
    held = Marker{at(1), true};
    CHECK_TRUE(update(at(2), at(2)).ok());
    STRCMP_EQUAL("begin 2, put a, put b, put c, finish 2", mirror.told.c_str());
}

TEST(mirror_update, a_record_that_is_gone_again_is_removed)
{
    table.records.erase({Kind::user, "b"});
    held = Marker{at(1), true};
    CHECK_TRUE(update().ok());
    STRCMP_EQUAL("begin 2, remove b, finish 2", mirror.told.c_str());
}

TEST(mirror_update, a_mirror_of_another_table_is_refused_untouched)
{
    held = Marker{at(1, 8), true};
    check_refused();
}

TEST(mirror_update, a_mirror_newer_than_the_table_is_refused_untouched)
{
    held = Marker{at(3), true};
    check_refused();
    held = Marker{at(0, our_table, 2), true};
    check_refused();
}

TEST(mirror_update, a_mirror_that_refuses_a_record_is_never_told_that_it_is_complete)
{
    mirror.refuses = "b";
    CHECK_FALSE(update().ok());
    STRCMP_EQUAL("begin 2, put a", mirror.told.c_str());

    mirror.told.clear();
    held = Marker{at(1), true};
    CHECK_FALSE(update().ok());
    STRCMP_EQUAL("begin 2", mirror.told.c_str());
}

TEST(mirror_update, a_table_that_cannot_be_read_to_its_end_is_never_complete_in_a_mirror)
{
    table.broken = true;
    CHECK_FALSE(update().ok());
    STRCMP_EQUAL("begin 2, put a, put b, put c", mirror.told.c_str());
}
