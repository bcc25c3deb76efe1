// For the tests of resolving: a map made of text, and short ways to ask about a login.
#pragma once

#include "core/route.h"

#include <map>
#include <memory>
#include <string>
#include <vector>

#include <CppUTest/TestHarness.h>

namespace proxymap {

// What is known of a map: records by text, misses and outages by name; nothing else was asked for.
class Map : public View {
  public:
    const Known *find(Kind kind, std::string_view name) override
    {
        const auto found = known_.find({kind, std::string(name)});
        if (found == known_.end())
            return nullptr;
        // A view may use one Known for all it says: the resolver must not keep it.
        said_ = found->second;
        return &said_;
    }

    void holds(std::string_view line, bool stale = false, std::uint64_t content = 0)
    {
        auto record = parse_record(line, Key_case::lower);
        CHECK_TEXT(record.ok(), record.ok() ? "" : record.error().message.c_str());
        auto kept = std::make_shared<const Record>(std::move(*record));
        known_[{kept->kind, kept->name}] = {Outcome::found, kept.get(), stale, {}, content};
        records_.push_back(kept);
    }
    void lacks(Kind kind, const std::string &name, bool stale = false)
    {
        known_[{kind, name}] = {Outcome::missing, nullptr, stale, {}};
    }
    void cannot_read(Kind kind, const std::string &name)
    {
        known_[{kind, name}] = {Outcome::unavailable, nullptr, false, "memcached:m1:11211 is down"};
    }
    // A store that mixes up its answers.
    void confuses(Kind kind, const std::string &name, Kind other_kind, const std::string &other)
    {
        known_[{kind, name}] = known_[{other_kind, other}];
    }

  private:
    std::map<Key, Known> known_;
    std::vector<Record_ref> records_;
    Known said_;
};

inline std::string text(const std::vector<Key> &keys)
{
    std::string all;
    for (const auto &key : keys)
        all += (all.empty() ? "" : " ") + std::string(to_string(key.kind)) + ":" + key.name;
    return all;
}

inline std::string text(const Route::Fields &fields)
{
    std::string all;
    for (const auto &[name, value] : fields)
        all += (all.empty() ? "" : " ") + name + "=" + value;
    return all;
}

inline bool contains(const std::string &all, std::string_view part)
{
    return all.find(part) != std::string::npos;
}

// The base of test groups; without another name the login is john's, over IMAP.
struct Resolving : public Utest {
    Map map;
    Settings settings;
    Credentials credentials;

    Resolution resolved(std::string_view user = "john", Service service = Service::imap)
    {
        return resolve({user, service}, map, settings, credentials);
    }
    Resolution found(std::string_view user = "john", Service service = Service::imap)
    {
        auto resolution = resolved(user, service);
        CHECK(resolution.state == Resolution::State::decided);
        CHECK_TEXT(resolution.outcome == Outcome::found, resolution.why.c_str());
        return resolution;
    }
    Route route(std::string_view user = "john", Service service = Service::imap)
    {
        return *found(user, service).route;
    }
    std::string record(std::string_view user)
    {
        return deciding_record({user, Service::imap}, found(user), settings.key_case);
    }
    std::string fields(std::string_view user = "john", Service service = Service::imap)
    {
        return text(route(user, service).fields);
    }
    std::string why_unavailable(std::string_view user = "john", Service service = Service::imap)
    {
        const auto resolution = resolved(user, service);
        CHECK(resolution.state == Resolution::State::decided);
        CHECK_TEXT(resolution.outcome == Outcome::unavailable,
                   resolution.route ? text(resolution.route->fields).c_str() : "");
        CHECK(!resolution.why.empty() && resolution.route == nullptr);
        return resolution.why;
    }
    std::string asked_for(std::string_view user = "john")
    {
        const auto resolution = resolved(user);
        CHECK(resolution.state == Resolution::State::need_more);
        return text(resolution.needed);
    }
};

} // namespace proxymap
