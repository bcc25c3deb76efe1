// Finds the records that decide a login: user, domain, default; then the backend; then its
// failover.
//
// MUST: a less specific record counts only when each more specific one is a proven miss. A user
// whose record cannot be read right now must not land on the default backend, where somebody
// else's mail, or an empty mailbox, may be waiting.
#include "route.h"

#include "expand.h"
#include "route_fields.h"
#include "route_memo.h"

#include <array>
#include <utility>

namespace proxymap {

namespace {

enum class State : std::uint8_t { up, replaced, hold };

State state_of(const Record &backend, Service service)
{
    const std::string *state = backend.find(Field_id::state, service);
    if (state == nullptr || *state == "up")
        return State::up;
    if (*state == "drain" || *state == "down")
        return State::replaced;
    return State::hold; // and whatever else may stand there
}

class Resolver {
  public:
    Resolver(const Login &login, View &view, const Settings &settings,
             const Credentials &credentials, Route_memo *memo, Resolution *resolution)
        : login_(login), view_(view), settings_(settings), credentials_(credentials), memo_(memo),
          resolution_(*resolution)
    {
    }

    void run()
    {
        // No record can have such a name. Its domain does not count either: what cannot be a name
        // is not a user of that domain.
        if (!is_possible_name(login_.user))
            return decide(Outcome::missing);
        const Named_record record = find_record();
        if (!record)
            return;
        Named_record backend;
        if (const std::string *name = record->find(Field_id::backend, login_.service)) {
            backend = find_usable_backend(record, *name);
            if (!backend)
                return;
        }
        if (const Result<Done> made = make_route(record, backend); !made)
            return unavailable(made.error().message);
        resolution_.kind = record->kind;
        resolution_.stale = stale_;
        decide(Outcome::found);
    }

  private:
    // A name as records have it. Nearly every one has that form already, and is not copied.
    struct Folded {
        std::string_view name;
        std::string place; // of the name, where it is another than was given
    };

    void fold(std::string_view name, Folded *folded_r) const
    {
        folded_r->name = name;
        if (is_folded(name, settings_.key_case))
            return;
        folded_r->place = fold_name(name, settings_.key_case);
        folded_r->name = folded_r->place;
    }

    void decide(Outcome outcome)
    {
        resolution_.state = Resolution::State::decided;
        resolution_.outcome = outcome;
    }

    Result<Done> make_route(const Named_record &record, const Named_record &backend)
    {
        const Route_memo::Key key{record_content_, backend_content_, login_.service, backend.name};
        if (memo_ != nullptr)
            resolution_.route = memo_->find(key);
        if (resolution_.route != nullptr)
            return Done{};
        auto route = std::make_shared<Route>();
        Result<Done> filled =
            fill_route(login_, record, backend, settings_, credentials_, route.get());
        if (!filled)
            return filled;
        resolution_.route = std::move(route);
        if (memo_ != nullptr)
            memo_->put(key, resolution_.route);
        return filled;
    }

    void unavailable(std::string why)
    {
        decide(Outcome::unavailable);
        resolution_.why = std::move(why);
    }

    // The most specific record, or none: decided, or more is needed.
    Named_record find_record()
    {
        fold(login_.user, &user_);
        struct Candidate {
            Kind kind;
            std::string_view name;
        };
        const std::array<Candidate, 3> candidates = {{
            {Kind::user, user_.name},
            {Kind::domain, domain_of(user_.name)},
            {Kind::default_route, "*"},
        }};
        Named_record record;
        std::string why;
        bool decisive = false;
        for (const auto &[kind, name] : candidates) {
            if (name.empty())
                continue;
            const Known *known = view_.find(kind, name);
            if (known == nullptr) {
                resolution_.needed.push_back({kind, std::string(name)});
                continue;
            }
            stale_ |= known->stale;
            if (known->outcome == Outcome::missing)
                continue;
            // Found or unavailable, this decides, once all before it are known; what comes after
            // does not matter, and is not asked for.
            record = {name, checked_record(*known, kind, name, &why)};
            record_content_ = known->content;
            decisive = true;
            break;
        }
        if (!resolution_.needed.empty())
            return {};
        if (record)
            return record;
        if (decisive)
            unavailable(std::move(why));
        else if (stale_)
            // MUST: "unknown user" bounces mail. In an outage a miss of before proves nothing.
            unavailable("no record for user " + std::string(user_.name) +
                        " was there before, and whether one is now cannot be asked");
        else
            decide(Outcome::missing);
        return {};
    }

    // Null: it cannot be used, and *why_r says why.
    static const Record *checked_record(const Known &known, Kind kind, std::string_view name,
                                        std::string *why_r)
    {
        if (known.outcome != Outcome::found || known.record == nullptr) {
            *why_r = "record " + record_label(kind, name) + " is unavailable";
            if (!known.why.empty())
                *why_r += ": " + known.why;
            return nullptr;
        }
        // Backstop: stores and cache check it too. Another's record is the one thing that must
        // never be used. Only what comes from the cache has no name.
        if (known.record->kind != kind ||
            (!known.record->name.empty() && known.record->name != name)) {
            *why_r = "asked for record " + record_label(kind, name) + ", got " +
                     record_label(known.record->kind, known.record->name);
            return nullptr;
        }
        return known.record;
    }

    // None: decided, or more is needed. who() begins the sentence, should there be one: this is the
    // path of every login, and strings are the most of its cost.
    template <typename Who>
    Named_record find_backend(const std::string &named, Folded *folded, Who who)
    {
        fold(named, folded);
        const std::string_view name = folded->name;
        const Known *known = view_.find(Kind::backend, name);
        if (known == nullptr) {
            resolution_.needed.push_back({Kind::backend, std::string(name)});
            return {};
        }
        stale_ |= known->stale;
        if (known->outcome == Outcome::missing) {
            unavailable(who() + " " + std::string(name) + ", which is absent");
            return {};
        }
        std::string why;
        const Record *backend = checked_record(*known, Kind::backend, name, &why);
        backend_content_ = known->content;
        if (backend == nullptr)
            unavailable(who() + " " + std::string(name) + ", but " + why);
        return {name, backend};
    }

    // The backend that the record names, or its failover. One hop: a chain of them could end
    // anywhere.
    Named_record find_usable_backend(const Named_record &record, const std::string &named)
    {
        const auto label = [&record] {
            return "record " + record_label(record->kind, record.name);
        };
        const Named_record backend =
            find_backend(named, &backend_name_, [&label] { return label() + " names backend"; });
        if (!backend)
            return {};
        switch (state_of(*backend.record, login_.service)) {
        case State::up:
            return backend;
        case State::hold:
            unavailable("backend " + std::string(backend.name) + " of " + label() + " is on hold");
            return {};
        case State::replaced:
            break;
        }
        const auto down = [&] {
            return "backend " + std::string(backend.name) + " of " + label() + " is " +
                   *backend->find(Field_id::state, login_.service);
        };
        const std::string *other = backend->find(Field_id::failover, login_.service);
        if (other == nullptr) {
            unavailable(down() + " and names no failover");
            return {};
        }
        const Named_record failover = find_backend(
            *other, &failover_name_, [&down] { return down() + " and names failover"; });
        if (failover && state_of(*failover.record, login_.service) != State::up) {
            unavailable(down() + ", and its failover " + std::string(failover.name) +
                        " is not up either");
            return {};
        }
        return failover;
    }

    const Login &login_;
    View &view_;
    const Settings &settings_;
    const Credentials &credentials_;
    Route_memo *memo_; // or null
    Resolution &resolution_;
    Folded user_, backend_name_, failover_name_;
    bool stale_ = false; // any record or miss that was used
    std::uint64_t record_content_ = 0, backend_content_ = 0;
};

} // namespace

std::string_view to_string(Outcome outcome)
{
    switch (outcome) {
    case Outcome::found:
        return "found";
    case Outcome::missing:
        return "missing";
    case Outcome::unavailable:
        break;
    }
    return "unavailable";
}

Resolution resolve(const Login &login, View &view, const Settings &settings,
                   const Credentials &credentials)
{
    Resolution resolution;
    resolve(login, view, settings, credentials, nullptr, &resolution);
    return resolution;
}

void resolve(const Login &login, View &view, const Settings &settings,
             const Credentials &credentials, Route_memo *memo, Resolution *resolution_r)
{
    Resolver(login, view, settings, credentials, memo, resolution_r).run();
}

std::string deciding_record(const Login &login, const Resolution &resolution, Key_case key_case)
{
    const std::string user = fold_name(login.user, key_case);
    switch (resolution.kind) {
    case Kind::user:
        return record_label(resolution.kind, user);
    case Kind::domain:
        return record_label(resolution.kind, domain_of(user));
    default:
        return record_label(resolution.kind, "*");
    }
}

} // namespace proxymap
