// `doveadm proxymap lookup`: resolves a login as the passdb does, with the same resolver and the
// same stores, and says step by step why the answer is what it is. Without the cache: it shows
// what the stores say now.
//
// MUST: a password is never shown.
#include "common.h"

#include "core/clock.h"
#include "core/route.h"
#include "store/chain.h"

#include <map>

namespace proxymap {

namespace {

constexpr std::string_view hidden = "<hidden>";

bool is_secret(Field_id id)
{
    return id == Field_id::pass || id == Field_id::password;
}

std::string key_text(const Key &key)
{
    return std::string(to_string(key.kind)) + " " + key.name;
}

std::string show_fields(Record record, const Position &position)
{
    for (Record_field &field : record.fields) {
        if (is_secret(field.id))
            field.value = hidden;
    }
    return format_fields(record) + " (position " + format_position(position) + ")";
}

// A row each: what was asked, what was decided, what Dovecot is told.
class Steps {
  public:
    void asked(const Key &key, const Answer &answer)
    {
        rows_.add({"asked", key_text(key), answer.store, to_string(answer.outcome),
                   answer.record ? show_fields(*answer.record, answer.position) : answer.why});
    }
    void decided(std::string_view what, Outcome outcome, std::string_view why)
    {
        rows_.add({"decided", what, "", to_string(outcome), why});
    }
    void told(std::string_view name, std::string_view value)
    {
        rows_.add({"told", name, "", "", value});
    }

  private:
    Rows rows_{"table", {"step", "what", "store", "outcome", "value"}};
};

// Shows what passes through one store of the chain.
class Shown_store final : public Store {
  public:
    Shown_store(std::unique_ptr<Store> store, Steps &steps)
        : store_(std::move(store)), steps_(steps)
    {
    }
    const std::string &name() const override { return store_->name(); }
    void poll(Poll_callback done) override { store_->poll(std::move(done)); }
    void get(std::vector<Key> keys, std::uint64_t deadline, Answers_callback callback) override
    {
        store_->get(keys, deadline,
                    [this, keys, callback = std::move(callback)](std::vector<Answer> answers) {
                        for (std::size_t i = 0; i < keys.size(); ++i)
                            steps_.asked(keys[i], answers[i]);
                        callback(std::move(answers));
                    });
    }

  private:
    std::unique_ptr<Store> store_;
    Steps &steps_;
};

// The chain of the configured stores, each of them shown.
std::unique_ptr<Store> make_shown_stores(const Configuration &configuration, Loop &loop,
                                         Map_news &news, Steps &steps)
{
    const Settings &settings = configuration.settings;
    std::vector<std::unique_ptr<Store>> stores;
    for (const Store_address &address : settings.stores) {
        stores.push_back(std::make_unique<Shown_store>(
            make_store(address, settings, configuration.seal_keys, loop, news, {}), steps));
    }
    const bool several = stores.size() > 1;
    return make_polled_stores(make_chain(std::move(stores), loop), loop, Polling::from_first_lookup,
                              several);
}

// What the stores have answered in this lookup.
class Answers final : public View {
  public:
    const Known *find(Kind kind, std::string_view name) override
    {
        const auto it = known_.find(Key{kind, std::string(name)});
        return it == known_.end() ? nullptr : &it->second.known;
    }
    void add(const Key &key, Answer answer)
    {
        Entry &entry = known_[key];
        entry.record = std::move(answer.record);
        entry.known.outcome = answer.outcome;
        entry.known.record = entry.record.get();
        entry.known.why = std::move(answer.why);
    }

  private:
    struct Entry {
        Known known;
        Record_ref record;
    };
    std::map<Key, Entry> known_;
};

Resolution look_up(const Login &login, const Configuration &configuration, Steps &steps)
{
    const Settings &settings = configuration.settings;
    Map_news news;
    Command_loop loop;
    const std::unique_ptr<Store> stores =
        make_shown_stores(configuration, loop.loop(), news, steps);
    const std::uint64_t deadline = monotonic_ms() + settings.lookup_timeout;
    Answers answers;
    for (;;) {
        Resolution resolution = resolve(login, answers, settings, configuration.credentials);
        if (resolution.state == Resolution::State::decided)
            return resolution;
        const std::vector<Key> &keys = resolution.needed;
        stores->get(keys, deadline, [&](std::vector<Answer> got) {
            for (std::size_t i = 0; i < keys.size(); ++i)
                answers.add(keys[i], std::move(got[i]));
            loop.stop();
        });
        loop.run();
    }
}

std::string why_it_won(const Resolution &resolution)
{
    std::string why = "the user's own record";
    if (resolution.kind == Kind::domain)
        why = "there is no record of the user";
    else if (resolution.kind == Kind::default_route)
        why = "there is no record of the user or of a domain";
    const std::string &backend = resolution.route->backend;
    return backend.empty() ? why : why + "; backend " + backend;
}

std::string what_a_miss_means(Service service, const Settings &settings)
{
    if (service == Service::lmtp && settings.lmtp_missing == Lmtp_missing::tempfail)
        return "no record, proven: temporary failure (lmtp_missing = tempfail)";
    return "no record, proven: the next passdb is asked";
}

int show(const Resolution &resolution, const Login &login, const Settings &settings, Steps &steps)
{
    switch (resolution.outcome) {
    case Outcome::found:
        steps.decided(deciding_record(login, resolution, settings.key_case), Outcome::found,
                      why_it_won(resolution));
        for (const auto &[name, value] : resolution.route->fields)
            steps.told(name, name == to_string(Field_id::pass) ? hidden : std::string_view(value));
        if (resolution.route->has_password)
            steps.told(to_string(Field_id::password), hidden);
        return 0;
    case Outcome::missing:
        steps.decided(login.user, Outcome::missing, what_a_miss_means(login.service, settings));
        return exit_no_record;
    case Outcome::unavailable:
        break;
    }
    steps.decided(login.user, Outcome::unavailable, resolution.why + ": temporary failure");
    return exit_try_again;
}

int run_lookup(const Arguments &arguments)
{
    const std::optional<std::string> user = arguments.text("user");
    if (!user)
        return fail(exit_usage, "lookup needs a user name");
    const std::string service_word = arguments.text("service").value_or("imap");
    const std::optional<Service> service = parse_service(service_word);
    if (!service)
        return fail(exit_usage, "unknown service '" + service_word +
                                    "': imap, pop3, lmtp, submission and sieve are allowed");
    const std::optional<Configuration> configuration = configuration_of(arguments);
    if (!configuration)
        return exit_bad_config;

    Steps steps;
    const Login login{*user, *service};
    const Resolution resolution = look_up(login, *configuration, steps);
    return show(resolution, login, configuration->settings, steps);
}

} // namespace

const Command lookup_command = {
    .name = "proxymap lookup",
    .usage = "[--config <settings file>] [--service <service>] <user>",
    .parameters = {{"config", Parameter::Type::option},
                   {"service", Parameter::Type::option},
                   {"user", Parameter::Type::positional}},
    .run = run_lookup,
};

} // namespace proxymap
