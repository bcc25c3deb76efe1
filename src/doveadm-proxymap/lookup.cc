// `doveadm proxymap lookup`: resolves a login as the passdb does, with the same resolver and the
// same stores, and says step by step why the answer is what it is: who said what, how old that is,
// whether it is sealed, what Dovecot is told. Without the cache: it shows what the stores say now.
//
// MUST: a password is never shown.
#include "common.h"

#include "lookup_steps.h"

#include "core/clock.h"
#include "core/net_list.h"
#include "core/route.h"
#include "store/chain.h"

#include <map>

namespace proxymap {

namespace {

// Keeps what passes through one store of the chain.
class Shown_store final : public Store {
  public:
    Shown_store(std::unique_ptr<Store> store, const Store_address &address,
                std::vector<Asked> &asked)
        : store_(std::move(store)), address_(address), asked_(asked)
    {
    }
    const std::string &name() const override { return store_->name(); }
    void poll(Poll_callback done) override { store_->poll(std::move(done)); }
    void get(std::vector<Key> keys, std::uint64_t deadline, Answers_callback callback) override
    {
        store_->get(keys, deadline,
                    [this, keys, callback = std::move(callback)](std::vector<Answer> answers) {
                        for (std::size_t i = 0; i < keys.size(); ++i)
                            asked_.push_back({keys[i], address_, answers[i]});
                        callback(std::move(answers));
                    });
    }

  private:
    std::unique_ptr<Store> store_;
    const Store_address &address_;
    std::vector<Asked> &asked_;
};

// The chain of the configured stores, each of them shown.
std::unique_ptr<Store> make_shown_stores(const Configuration &configuration, Loop &loop,
                                         Map_news &news, std::vector<Asked> &asked)
{
    const Settings &settings = configuration.settings;
    std::vector<std::unique_ptr<Store>> stores;
    for (const Store_address &address : settings.stores) {
        stores.push_back(std::make_unique<Shown_store>(
            make_store(address, settings, configuration.seal_keys, loop, news, {}), address,
            asked));
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

Resolution look_up(const Login &login, const Configuration &configuration,
                   std::vector<Asked> &asked, Map_news &news)
{
    const Settings &settings = configuration.settings;
    Command_loop loop;
    const std::unique_ptr<Store> stores =
        make_shown_stores(configuration, loop.loop(), news, asked);
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

// What decides when and from where somebody may log in. LMTP is not told, for its client is a mail
// server (passdb_proxymap.cc).
bool is_about_the_client(std::string_view name)
{
    return name == to_string(Field_id::allow_nets) ||
           name == to_string(Field_id::allow_real_nets) || name == to_string(Field_id::delay_until);
}

// Whether Dovecot lets a client of that address in.
bool show_client(const Route &route, const Login &login, const std::string &text, const Ip &ip,
                 Steps &steps)
{
    if (login.service == Service::lmtp) {
        steps.client(text, true, "LMTP is not told from where a user may log in");
        return true;
    }
    bool may = true;
    bool any = false;
    for (const auto &[name, value] : route.fields) {
        if (name != to_string(Field_id::allow_nets) && name != to_string(Field_id::allow_real_nets))
            continue;
        any = true;
        const std::string_view network = find_network(value, ip);
        may = may && !network.empty();
        steps.client(text, !network.empty(),
                     network.empty()
                         ? "in no network of " + name + ": the login fails, whatever the password"
                         : "in " + std::string(network) + " of " + name);
    }
    if (!any)
        steps.client(text, true, "the route asks for no address");
    return may;
}

int show(const Resolution &resolution, const Login &login, const Settings &settings, Steps &steps)
{
    switch (resolution.outcome) {
    case Outcome::found:
        steps.decided(deciding_record(login, resolution, settings.key_case), Outcome::found,
                      why_it_won(resolution));
        for (const auto &[name, value] : resolution.route->fields) {
            if (login.service != Service::lmtp || !is_about_the_client(name))
                steps.told(name, name == to_string(Field_id::pass) ? hidden_secret
                                                                   : std::string_view(value));
        }
        if (resolution.route->has_password)
            steps.told(to_string(Field_id::password), hidden_secret);
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
    const std::optional<std::string> client = arguments.text("client-ip");
    const std::optional<Ip> ip = client ? parse_ip(*client) : std::nullopt;
    if (client && !ip)
        return fail(exit_usage, "'" + *client + "' is no IP address");
    const std::optional<Configuration> configuration = configuration_of(arguments);
    if (!configuration)
        return exit_bad_config;

    std::vector<Asked> asked;
    Map_news news;
    const Login login{*user, *service};
    const Resolution resolution = look_up(login, *configuration, asked, news);
    Steps steps(*configuration);
    for (const Asked &one : asked)
        steps.asked(one);
    steps.newest(news.position());
    const int code = show(resolution, login, configuration->settings, steps);
    const bool may = code != 0 || !ip || show_client(*resolution.route, login, *client, *ip, steps);
    return may ? code : exit_refused;
}

} // namespace

const Command lookup_command = {
    .name = "proxymap lookup",
    .usage = "[--config <settings file>] [--service <service>] [--client-ip <address>] <user>",
    .parameters = {{"config", Parameter::Type::option},
                   {"service", Parameter::Type::option},
                   {"client-ip", Parameter::Type::option},
                   {"user", Parameter::Type::positional}},
    .run = run_lookup,
};

} // namespace proxymap
