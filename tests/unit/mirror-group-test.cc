// src/doveadm-proxymap/mirror_group.cc: mirrors side by side, of which one may fail.
#include "doveadm-proxymap/mirror_group.h"

#include <CppUTest/TestHarness.h>

#include <string>

using namespace proxymap;

namespace {

// Notes what it is told, up to the call that fails.
class Noting_sink final : public Mirror_sink {
  public:
    std::string told;
    std::string fails_at;

    Result<Done> write_marker(const Marker & /*marker*/) override { return note("marker"); }
    Result<Done> put(std::string_view key, std::string_view text) override
    {
        return note(std::string(key) + '=' + std::string(text));
    }
    Result<Done> put_versions(const Table_change &change, const Position & /*before*/,
                              const Position & /*now*/) override
    {
        return note("versions of " + std::string(change.key));
    }
    Result<Done> remove(std::string_view key, std::string_view /*name*/,
                        const Position & /*now*/) override
    {
        return note("no " + std::string(key));
    }
    Result<Done> put_entry(const Position & /*position*/, std::string_view text) override
    {
        return note("entry " + std::string(text));
    }
    Result<Done> acknowledge() override { return note("acknowledged"); }
    Result<Done> make_empty() override { return note("emptied"); }

  private:
    Result<Done> note(const std::string &what)
    {
        if (what == fails_at)
            return Error{"failed at " + what};
        told += what + ", ";
        return Done{};
    }
};

} // namespace

TEST_GROUP(mirror_group)
{
    Noting_sink first;
    Noting_sink second;
    Mirror_group group{{&first, &second}};

    Result<Done> tell_all()
    {
        auto done = group.make_empty();
        if (done)
            done = group.write_marker({});
        if (done)
            done = group.put("k", "v");
        if (done)
            done = group.put_versions({"c", "", "new"}, {}, {});
        if (done)
            done = group.remove("r", "user r", {});
        if (done)
            done = group.put_entry({}, "e");
        return done ? group.acknowledge() : done;
    }
};

constexpr auto everything = "emptied, marker, k=v, versions of c, no r, entry e, acknowledged, ";

TEST(mirror_group, each_is_told_the_same)
{
    CHECK_TRUE(tell_all().ok());
    STRCMP_EQUAL(everything, first.told.c_str());
    STRCMP_EQUAL(everything, second.told.c_str());
    CHECK_TRUE(!group.error(0) && !group.error(1));
}

TEST(mirror_group, one_that_fails_is_told_no_more_and_the_other_goes_on)
{
    first.fails_at = "k=v";
    CHECK_TRUE(tell_all().ok());
    STRCMP_EQUAL("emptied, marker, ", first.told.c_str());
    STRCMP_EQUAL(everything, second.told.c_str());
    STRCMP_EQUAL("failed at k=v", group.error(0)->message.c_str());
    CHECK_TRUE(!group.error(1));
}

TEST(mirror_group, when_none_is_left_it_is_an_error)
{
    first.fails_at = "acknowledged";
    second.fails_at = "k=v";
    const auto done = tell_all();
    CHECK_FALSE(done.ok());
    STRCMP_EQUAL("failed at acknowledged", group.error(0)->message.c_str());
    STRCMP_EQUAL("failed at k=v", group.error(1)->message.c_str());
}
