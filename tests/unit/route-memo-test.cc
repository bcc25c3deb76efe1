// The memo of routes, by itself and behind resolve().
#include "core/route_memo.h"

#include "resolving.h"

using namespace proxymap;

namespace {

std::shared_ptr<const Route> route_to(const std::string &backend, bool personal = false)
{
    auto route = std::make_shared<Route>();
    route->backend = backend;
    route->personal = personal;
    return route;
}

} // namespace

TEST_GROUP_BASE(route_memo, Resolving)
{
    Route_memo memo;

    bool holds(const Route_memo::Key &key)
    {
        return memo.find(key) != nullptr;
    }

    // As Lookups resolves, with the memo.
    Resolution quickly(std::string_view user, Service service = Service::imap)
    {
        Resolution resolution;
        resolve({user, service}, map, settings, credentials, &memo, &resolution);
        CHECK(resolution.state == Resolution::State::decided);
        return resolution;
    }
};

TEST(route_memo, a_route_is_held_for_just_what_it_was_made_of)
{
    memo.put({1, 2, Service::imap, "b1"}, route_to("b1"));
    CHECK(holds({1, 2, Service::imap, "b1"}));
    CHECK(!holds({3, 2, Service::imap, "b1"}));
    CHECK(!holds({1, 3, Service::imap, "b1"}));
    CHECK(!holds({1, 0, Service::imap, ""}));
    CHECK(!holds({1, 2, Service::pop3, "b1"}));
    CHECK(!holds({1, 2, Service::imap, "b2"}));
}

TEST(route_memo, records_of_unknown_content_have_no_route_in_it)
{
    memo.put({0, 0, Service::imap, ""}, route_to(""));
    memo.put({0, 2, Service::imap, "b1"}, route_to("b1"));
    memo.put({1, 0, Service::imap, "b1"}, route_to("b1"));
    CHECK(!holds({0, 0, Service::imap, ""}));
    CHECK(!holds({0, 2, Service::imap, "b1"}));
    CHECK(!holds({1, 0, Service::imap, "b1"}));
}

TEST(route_memo, a_personal_route_is_not_held)
{
    memo.put({1, 0, Service::imap, ""}, route_to("", true));
    CHECK(!holds({1, 0, Service::imap, ""}));
}

TEST(route_memo, many_routes_go_in_and_none_comes_out_for_another)
{
    for (std::uint64_t i = 1; i <= 5000; i++)
        memo.put({i, 7 * i, Service::imap, std::to_string(i)}, route_to(std::to_string(i)));
    std::size_t held = 0;
    for (std::uint64_t i = 1; i <= 5000; i++) {
        const std::string name = std::to_string(i);
        const auto route = memo.find({i, 7 * i, Service::imap, name});
        if (route == nullptr)
            continue;
        STRCMP_EQUAL(name.c_str(), route->backend.c_str());
        held++;
    }
    CHECK(held > 400);
}

TEST(route_memo, users_whose_records_say_the_same_share_a_route)
{
    map.holds("backend b1 host=10.0.0.1", false, 9);
    map.holds("user john backend=b1", false, 5);
    map.holds("user joe backend=b1", false, 5);
    map.holds("user ann backend=b1", false, 6);
    const auto johns = quickly("john").route;
    POINTERS_EQUAL(johns.get(), quickly("joe").route.get());
    CHECK(johns.get() != quickly("ann").route.get());
    CHECK(johns.get() != quickly("joe", Service::pop3).route.get());
    STRCMP_EQUAL("host=10.0.0.1", text(johns->fields).c_str());
}

TEST(route_memo, a_changed_backend_makes_a_new_route)
{
    map.holds("user john backend=b1", false, 5);
    map.holds("backend b1 host=10.0.0.1", false, 9);
    STRCMP_EQUAL("10.0.0.1", quickly("john").route->host.c_str());
    map.holds("backend b1 host=10.0.0.2", false, 10);
    STRCMP_EQUAL("10.0.0.2", quickly("john").route->host.c_str());
}

TEST(route_memo, what_is_made_of_the_login_is_made_anew_for_each)
{
    map.holds("user john host=10.0.0.1 destuser=%{user}@inside", false, 5);
    map.holds("user joe host=10.0.0.1 destuser=%{user}@inside", false, 5);
    STRCMP_EQUAL("host=10.0.0.1 destuser=john@inside", text(quickly("john").route->fields).c_str());
    STRCMP_EQUAL("host=10.0.0.1 destuser=joe@inside", text(quickly("joe").route->fields).c_str());
    map.holds("user john host=10.0.0.1 forward_who=%{username}", false, 6);
    map.holds("user joe host=10.0.0.1 forward_who=%{username}", false, 6);
    STRCMP_EQUAL("host=10.0.0.1 forward_who=john", text(quickly("john").route->fields).c_str());
    STRCMP_EQUAL("host=10.0.0.1 forward_who=joe", text(quickly("joe").route->fields).c_str());
}

// Backends with the same fields are one content, but a credential may be for one of them alone.
TEST(route_memo, a_credential_for_one_backend_is_not_given_to_its_twin)
{
    credentials["secret"].password = std::string("p");
    credentials["secret"].backends = {"b1"};
    map.holds("backend b1 host=10.0.0.1 credential=secret", false, 9);
    map.holds("backend b2 host=10.0.0.1 credential=secret", false, 9);
    map.holds("user john backend=b1", false, 5);
    CHECK(quickly("john").outcome == Outcome::found);
    // Whatever a view says of contents.
    map.holds("user joe backend=b2", false, 5);
    CHECK(quickly("joe").outcome == Outcome::unavailable);
}
