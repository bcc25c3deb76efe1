// Keeps the addresses of a source pool; see source_addresses.h.
//
// Must never lose an address that worked because a name server does not answer: only an answer
// replaces an answer.
#include "source_addresses.h"

#include "text.h"

#include <algorithm>
#include <optional>
#include <set>
#include <utility>

namespace proxymap {

namespace {

constexpr std::size_t max_lookups = 4;        // of one pool at a time
constexpr std::uint64_t retry_after = 10'000; // ms, for a name that could not be looked up

} // namespace

struct Source_addresses::Name {
    enum class State : std::uint8_t { idle, queued, running };

    std::string text;
    State state = State::idle;
    std::uint64_t due = 0;              // while idle
    std::optional<std::uint64_t> ended; // the last look-up, with or without success
    std::vector<Ip> addresses;          // of the last success
    std::string error;                  // of the last look-up
    std::unique_ptr<Resolver::Lookup> lookup;
};

struct Source_addresses::Waiting {
    std::function<void()> callback; // empty: not wanted any more
};

class Source_addresses::Waiting_handle final : public Source_addresses::Wait {
  public:
    explicit Waiting_handle(std::shared_ptr<Waiting> waiting) : waiting_(std::move(waiting)) {}
    ~Waiting_handle() override { waiting_->callback = nullptr; }
    Waiting_handle(const Waiting_handle &) = delete;
    Waiting_handle &operator=(const Waiting_handle &) = delete;

  private:
    std::shared_ptr<Waiting> waiting_;
};

Source_addresses::Source_addresses(const Source_pool &pool, Surroundings surroundings)
    : pool_(pool), surroundings_(std::move(surroundings)),
      asks_assigned_(std::any_of(pool_.words.begin(), pool_.words.end(),
                                 [](const Source_word &word) { return word.only_assigned; }))
{
    for (const Source_word &word : pool_.words) {
        if (word.ip)
            continue;
        names_.push_back(std::make_unique<Name>());
        names_.back()->text = word.text;
    }
}

Source_addresses::~Source_addresses() = default;

void Source_addresses::warn(const std::string &cause, const std::string &line)
{
    std::uint64_t suppressed = 0;
    if (!limiter_.allow(cause, now_, &suppressed))
        return;
    std::string text = "source pool " + quote(pool_.name) + ": " + line;
    if (suppressed > 0)
        text += " (" + std::to_string(suppressed) + " times more since this was last logged)";
    surroundings_.warn(text);
}

std::uint64_t Source_addresses::update()
{
    now_ = surroundings_.now();
    if (!avoided_.empty())
        forget_avoided();
    if (now_ < next_due_)
        return now_;

    const bool first = next_due_ == 0;
    if (first || (asks_assigned_ && ask_at_ <= now_)) {
        rebuild();
        ask_at_ = now_ + pool_.refresh;
    }
    next_due_ = asks_assigned_ ? ask_at_ : UINT64_MAX;
    for (const auto &name : names_) {
        if (name->state == Name::State::idle && name->due <= now_)
            name->state = Name::State::queued;
        else if (name->state == Name::State::idle)
            next_due_ = std::min(next_due_, name->due);
    }
    begin_lookups();
    return now_;
}

void Source_addresses::begin_lookups()
{
    auto running =
        static_cast<std::size_t>(std::count_if(names_.begin(), names_.end(), [](const auto &name) {
            return name->state == Name::State::running;
        }));
    for (const auto &name : names_) {
        if (name->state != Name::State::queued)
            continue;
        if (surroundings_.resolver == nullptr) {
            ended(*name, Error{"there is no DNS client"});
            continue;
        }
        if (running++ >= max_lookups)
            return;
        name->state = Name::State::running;
        name->lookup = surroundings_.resolver->look_up(
            name->text, [this, its = name.get()](const Result<std::vector<Ip>> &result) {
                now_ = surroundings_.now();
                ended(*its, result);
                begin_lookups();
                if (ready())
                    tell_waiting();
            });
    }
}

void Source_addresses::ended(Name &name, const Result<std::vector<Ip>> &result)
{
    name.state = Name::State::idle;
    name.ended = now_;
    name.error.clear();
    if (result)
        take_over(name, *result);
    else
        name.error = result.error().message;

    if (!name.error.empty()) {
        warn("look-up " + name.text,
             "cannot look up " + quote(name.text) + ": " + name.error +
                 (name.addresses.empty() ? "; it has no addresses yet"
                                         : "; the addresses that it had are used on"));
    }
    name.due = now_ + (name.error.empty() ? pool_.refresh : std::min(pool_.refresh, retry_after));
    next_due_ = std::min(next_due_, name.due);
}

// An answer in which no address is of use is no answer: the last good one stays.
void Source_addresses::take_over(Name &name, const std::vector<Ip> &found)
{
    std::vector<Ip> usable;
    for (const Ip &ip : found) {
        if (const std::string_view why = why_no_source(ip); !why.empty()) {
            warn("unusable " + name.text, quote(name.text) + " means " + format_ip(ip) +
                                              " too, which " + std::string(why) +
                                              ", and is not used");
        } else if (usable.size() < max_addresses) {
            usable.push_back(ip);
        }
    }
    if (usable.empty()) {
        name.error = "none of its addresses can be used";
        return;
    }
    // Name servers send the same addresses in an order that turns.
    std::sort(usable.begin(), usable.end());
    usable.erase(std::unique(usable.begin(), usable.end()), usable.end());
    if (usable == name.addresses)
        return;
    name.addresses = std::move(usable);
    rebuild();
}

std::vector<Source_candidate> Source_addresses::addresses_now()
{
    std::vector<Source_candidate> now;
    std::set<Ip> seen;
    std::size_t left_out = 0;
    auto add = [&](const Ip &ip, bool only_assigned) {
        if (only_assigned && !surroundings_.is_assigned(ip))
            return;
        if (!seen.insert(ip).second)
            return;
        if (now.size() < max_addresses)
            now.push_back({ip, 0, false});
        else
            left_out++;
    };
    auto name = names_.begin();
    for (const Source_word &word : pool_.words) {
        if (word.ip) {
            add(*word.ip, word.only_assigned);
            continue;
        }
        for (const Ip &ip : (*name)->addresses)
            add(ip, word.only_assigned);
        ++name;
    }
    if (left_out > 0) {
        warn("too many", "its names mean more than " + std::to_string(max_addresses) +
                             " addresses; " + std::to_string(left_out) + " are not used");
    }
    return now;
}

void Source_addresses::rebuild()
{
    std::vector<Source_candidate> now = addresses_now();
    if (changes_ > 0 && std::equal(now.begin(), now.end(), candidates_.begin(), candidates_.end(),
                                   [](const auto &a, const auto &b) { return a.ip == b.ip; }))
        return;
    candidates_ = std::move(now);
    changes_++;
    for (const Avoided &avoided : avoided_)
        mark(avoided.ip, true);
}

bool Source_addresses::ready() const
{
    return std::all_of(names_.begin(), names_.end(), [this](const auto &name) {
        return name->state == Name::State::idle ||
               (name->ended && now_ - *name->ended <= 2 * pool_.refresh);
    });
}

std::unique_ptr<Source_addresses::Wait> Source_addresses::wait(std::function<void()> callback)
{
    std::erase_if(waiting_, [](const auto &waiting) { return !waiting->callback; });
    waiting_.push_back(std::make_shared<Waiting>(Waiting{std::move(callback)}));
    return std::make_unique<Waiting_handle>(waiting_.back());
}

// A callback may end the waits of others, and begin new ones.
void Source_addresses::tell_waiting()
{
    const std::vector<std::shared_ptr<Waiting>> waiting = std::exchange(waiting_, {});
    for (const auto &one : waiting) {
        if (const auto callback = std::exchange(one->callback, nullptr))
            callback();
    }
}

void Source_addresses::avoid(const Ip &ip, std::string_view reason)
{
    now_ = surroundings_.now();
    warn("avoid " + format_ip(ip),
         "no connection can come from " + format_ip(ip) +
             (reason.empty() ? std::string() : ": " + std::string(reason)) +
             "; it is passed over for " + std::to_string(pool_.avoid_for) + " ms");
    if (pool_.avoid_for == 0)
        return;
    const std::uint64_t until = now_ + pool_.avoid_for;
    const auto known = std::find_if(avoided_.begin(), avoided_.end(),
                                    [&ip](const Avoided &avoided) { return avoided.ip == ip; });
    if (known != avoided_.end())
        known->until = until;
    else
        avoided_.push_back({ip, until});
    mark(ip, true);
}

void Source_addresses::forget_avoided()
{
    std::erase_if(avoided_, [this](const Avoided &avoided) {
        if (avoided.until > now_)
            return false;
        mark(avoided.ip, false);
        return true;
    });
}

void Source_addresses::mark(const Ip &ip, bool avoided)
{
    changes_++;
    for (Source_candidate &candidate : candidates_) {
        if (candidate.ip == ip)
            candidate.avoided = avoided;
    }
}

std::string Source_addresses::why_none(bool v6) const
{
    constexpr std::size_t max_reasons = 3;
    std::string text =
        "source pool " + quote(pool_.name) + " has no " + (v6 ? "IPv6" : "IPv4") + " address now";
    std::size_t reasons = 0;
    for (const auto &name : names_) {
        if (reasons == max_reasons)
            break;
        if (!name->error.empty()) {
            text += "; " + quote(name->text) + ": " + name->error;
            reasons++;
        } else if (!name->ended) {
            text += "; " + quote(name->text) + " is being looked up";
            reasons++;
        }
    }
    if (asks_assigned_)
        text += "; those with a ? count only while they are assigned to this host";
    return text;
}

} // namespace proxymap
