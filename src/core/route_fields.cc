// Merges record, backend and settings, and writes Dovecot's proxy fields.
//
// For each field: the record beats its backend, and within one record the field of the login's
// service beats the general one. So `port` of a user beats `port.imap` of the backend: the more
// specific record knows better. Settings come last.
//
// Order of Route::fields: host hostip port protocol destuser master pass ssl|starttls, then
// plain_fields below, then forward_*, event_* and user_* (the backend's first, each in the order of
// its record), then proxy_mech (again) proxymap_tls proxymap_source. A field without a value is
// left out.
//
// MUST never send a login where no single record meant it to go: what belongs together (host and
// hostip; credential, master and pass) is never put together from two sources by accident.
#include "route_fields.h"

#include "expand.h"
#include "field_time.h"
#include "ip.h"

#include <algorithm>
#include <array>
#include <initializer_list>

namespace proxymap {

namespace {

// Where a field came from; more beats less.
enum class Rank : std::uint8_t { none, backend, backend_service, record, record_service };

struct Merged_field {
    const Record_field *field = nullptr;
    Rank rank = Rank::none;

    explicit operator bool() const { return field != nullptr; }
    const std::string &value() const { return field->value; }
};

// Points into the records, which outlive it.
class Merged_fields {
  public:
    void lay(const Record &record, Service service, Rank general, Rank specific)
    {
        for (const Record_field &field : record.fields) {
            if (field.service == Service::any)
                lay(field, general);
            else if (field.service == service)
                lay(field, specific);
        }
    }

    const Merged_field &operator[](Field_id id) const
    {
        return single_[static_cast<std::size_t>(id)];
    }
    const std::vector<Merged_field> &families() const { return families_; }

  private:
    void lay(const Record_field &field, Rank rank)
    {
        Merged_field &slot = field.id < Field_id::forward_prefix
                                 ? single_[static_cast<std::size_t>(field.id)]
                                 : family_slot(field);
        if (rank > slot.rank)
            slot = {&field, rank};
    }

    Merged_field &family_slot(const Record_field &field)
    {
        for (Merged_field &slot : families_) {
            if (slot.field->id == field.id && slot.field->suffix == field.suffix)
                return slot;
        }
        return families_.emplace_back();
    }

    std::array<Merged_field, static_cast<std::size_t>(Field_id::forward_prefix)> single_;
    std::vector<Merged_field> families_;
};

// MUST: LMTP reads proxy_timeout as a number of seconds. Of anything else it says "not proxied" and
// delivers on this host; a 0 it asserts on (lmtp-proxy.c).
std::string whole_seconds(const std::string &time)
{
    const std::uint64_t msecs = parse_field_time(time).value_or(0);
    return std::to_string(std::max<std::uint64_t>(1, (msecs + 999) / 1000));
}

struct Plain_field {
    Field_id id;
    std::string_view name; // Dovecot's
    bool is_flag;          // sent as `y` when yes, not at all when no: Dovecot tests for existence
};

constexpr std::array plain_fields = {
    Plain_field{Field_id::proxy_mech, "proxy_mech", false},
    Plain_field{Field_id::proxy_timeout, "proxy_timeout", false},
    Plain_field{Field_id::proxy_refresh, "proxy_refresh", false},
    Plain_field{Field_id::proxy_host_immediate_failure_after, "proxy_host_immediate_failure_after",
                false},
    Plain_field{Field_id::proxy_nopipelining, "proxy_nopipelining", true},
    Plain_field{Field_id::proxy_not_trusted, "proxy_not_trusted", true},
    Plain_field{Field_id::proxy_noauth, "proxy_noauth", true},
    Plain_field{Field_id::proxy_redirect_reauth, "proxy_redirect_reauth", true},
    Plain_field{Field_id::proxy_no_multiplex, "proxy_no_multiplex", true},
    Plain_field{Field_id::reason, "reason", false},
    Plain_field{Field_id::user, "user", false},
    Plain_field{Field_id::allow_nets, "allow_nets", false},
    Plain_field{Field_id::allow_real_nets, "allow_real_nets", false},
    Plain_field{Field_id::delay_until, "delay_until", false},
    Plain_field{Field_id::nologin, "nologin", true},
};

class Filler {
  public:
    Filler(const Login &login, const Named_record &record, const Named_record &backend,
           const Settings &settings, const Credentials &credentials, Route *route)
        : login_(login), record_(record), backend_(backend), settings_(settings),
          credentials_(credentials), route_(*route)
    {
    }

    Result<Done> fill()
    {
        using Step = Result<Done> (Filler::*)();
        merge();
        for (Step step :
             {&Filler::check_state, &Filler::check_permissions, &Filler::add_destination,
              &Filler::add_login, &Filler::add_tls, &Filler::add_plain_fields,
              &Filler::add_families, &Filler::add_login_plugin_fields}) {
            if (Result<Done> done = (this->*step)(); !done)
                return done;
        }
        if (bytes_ > max_fields_bytes)
            return refuse("makes " + std::to_string(bytes_) + " bytes of fields; at most " +
                          std::to_string(max_fields_bytes) +
                          " are allowed, for Dovecot drops longer replies");
        return Done{};
    }

  private:
    Error refuse(const std::string &what) const
    {
        return Error{"record " + record_label(record_->kind, record_.name) +
                     (backend_ ? " with backend " + std::string(backend_.name) + " " : " ") + what};
    }

    void add(std::string_view name, std::string_view value)
    {
        if (value.empty())
            return;
        bytes_ += name.size() + value.size();
        route_.fields.emplace_back(name, value);
    }

    Result<std::string> expanded_for_login(const std::string &value)
    {
        route_.personal = route_.personal || value.find('%') != std::string::npos;
        return expand(value, login_);
    }

    // The backend's own state was looked at when it was chosen.
    Result<Done> check_state()
    {
        const std::string *state = record_->find(Field_id::state, login_.service);
        if (state == nullptr || *state == "up")
            return Done{};
        return Error{"record " + record_label(record_->kind, record_.name) + " is on hold"};
    }

    // MUST: whoever can write to the map must not gain what its admin did not hand over: to
    // rename users, to open networks, to set passwords.
    Result<Done> check_permissions()
    {
        for (const Named_record *named : {&record_, &backend_}) {
            if (!*named)
                continue;
            const Named_record &record = *named;
            for (const Record_field &field : record->fields) {
                if (field_needs_permission(field.id) && !settings_.allow_fields.contains(field.id))
                    return Error{"record " + record_label(record->kind, record.name) +
                                 " holds the field " + field.name() +
                                 ", which the setting allow_fields does not name"};
            }
        }
        return Done{};
    }

    void merge()
    {
        if (backend_) {
            merged_.lay(*backend_.record, login_.service, Rank::backend, Rank::backend_service);
            route_.backend = backend_.name;
        }
        merged_.lay(*record_.record, login_.service, Rank::record, Rank::record_service);
        route_.fields.reserve(8);
        // The record's own alone: one in a backend would be the password of all its users.
        if (const std::string *password = record_->find(Field_id::password, login_.service)) {
            route_.password = *password;
            route_.has_password = true;
        }
    }

    Result<Done> add_destination()
    {
        const Merged_field &host = merged_[Field_id::host];
        if (!host)
            return refuse("names no host");
        route_.host = host.value();
        add("host", host.value());
        // MUST: hostip is the address of one host. The backend's must not follow a record that
        // names a host of its own, nor a general one a host for this service.
        const Merged_field &hostip = merged_[Field_id::hostip];
        if (hostip && hostip.rank >= host.rank) {
            // Whether a destination is this very host is judged by `host` where that is an address.
            if (std::optional<Ip> address = parse_ip(host.value());
                address.has_value() && address != parse_ip(hostip.value()))
                return refuse("has a host that is an address and another address as hostip");
            route_.hostip = hostip.value();
            add("hostip", hostip.value());
        }
        if (const Merged_field &port = merged_[Field_id::port]) {
            route_.port = port.value();
            add("port", port.value());
        }
        const Merged_field &protocol = merged_[Field_id::protocol];
        if (protocol && login_.service == Service::lmtp)
            add("protocol", protocol.value());

        const Merged_field &destuser = merged_[Field_id::destuser];
        if (!destuser)
            return Done{};
        Result<std::string> expanded = expanded_for_login(destuser.value());
        if (!expanded)
            return refuse("has a destuser that " + expanded.error().message);
        // MUST: Dovecot takes an empty destuser for the login name, another mailbox than meant.
        if (expanded->empty())
            return refuse("has a destuser that expands to nothing for this login name");
        add("destuser", *expanded);
        return Done{};
    }

    // master and pass. LMTP sends neither, so that it is given neither: a secret goes nowhere
    // where it is not needed.
    Result<Done> add_login()
    {
        if (login_.service == Service::lmtp)
            return Done{};
        const Merged_field &named = merged_[Field_id::credential];
        const Merged_field &pass = merged_[Field_id::pass];
        if (named && named.rank == pass.rank)
            return refuse("has both credential and pass: which one is meant?");

        // The more specific of the two is meant; the setting when there is none.
        const std::string *name = nullptr;
        if (named.rank > pass.rank)
            name = &named.value();
        else if (!pass && !settings_.default_credential.empty())
            name = &settings_.default_credential;
        if (name != nullptr)
            return add_credential(*name);

        if (pass) {
            add_master(pass.rank);
            add_pass(pass.value());
        } else if (merged_[Field_id::master]) {
            // MUST: the backend would be asked to let the client's password open every mailbox.
            return refuse("has a master but neither credential nor pass: it would send the "
                          "user's password as the master's");
        }
        return Done{};
    }

    bool comes_from_record(std::initializer_list<Field_id> ids) const
    {
        return std::any_of(ids.begin(), ids.end(),
                           [this](Field_id id) { return merged_[id].rank >= Rank::record; });
    }

    Result<Done> add_credential(const std::string &name)
    {
        auto found = credentials_.find(name);
        if (found == credentials_.end())
            return refuse("needs credential " + name + ", which credentials_file does not have");
        const Credential &credential = found->second;
        // MUST: a credential for some backends is sent to these alone, as they are in the map, and
        // not to an address that a record brings along.
        if (!credential.backends.empty()) {
            if (!backend_ || comes_from_record({Field_id::host, Field_id::hostip, Field_id::port,
                                                Field_id::tls, Field_id::proxy_mech}))
                return refuse("says itself where or how to connect, but credential " + name +
                              " is only for the backends that it lists, as the map has them");
            if (!credential.backends.contains(backend_.name))
                return refuse("needs credential " + name + ", which is not for this backend");
        }
        // The file's master beats the map's: root wrote it.
        if (!credential.master.empty())
            add("master", credential.master);
        else
            add_master(merged_[Field_id::credential].rank);
        add_pass(credential.password);
        return Done{};
    }

    // The master that goes with a credential or pass of that rank. A backend that has a master
    // with a credential or pass of its own is no help to a record that brings another one: the
    // master's name would go with somebody else's password.
    void add_master(Rank secret)
    {
        const Merged_field &master = merged_[Field_id::master];
        if (!master)
            return;
        bool is_backends_own = master.rank < Rank::record && secret >= Rank::record &&
                               (backend_->find(Field_id::credential, login_.service) != nullptr ||
                                backend_->find(Field_id::pass, login_.service) != nullptr);
        if (!is_backends_own)
            add("master", master.value());
    }

    void add_pass(const std::string &pass)
    {
        route_.pass = pass;
        route_.own_credential = true;
        add("pass", pass);
    }

    Result<Done> add_tls()
    {
        const Merged_field &field = merged_[Field_id::tls];
        const std::string &tls = field ? field.value() : settings_.default_tls;
        if (tls == "starttls")
            add("starttls", "yes");
        else if (tls == "starttls-any-cert")
            add("starttls", "any-cert");
        else if (tls == "ssl")
            add("ssl", "yes");
        else if (tls == "ssl-any-cert")
            add("ssl", "any-cert");
        else if (tls != "no") // MUST: what is not understood is not "in the clear"
            return refuse("has an unknown tls");
        return Done{};
    }

    Result<Done> add_plain_fields()
    {
        for (const Plain_field &plain : plain_fields) {
            const Merged_field &field = merged_[plain.id];
            if (!field)
                continue;
            if (plain.id == Field_id::proxy_mech &&
                (field.value() == "XOAUTH2" || field.value() == "OAUTHBEARER")) {
                route_.bearer_mech = true;
                route_.bearer_mech_name = field.value();
            } else if (plain.id == Field_id::proxy_timeout && login_.service == Service::lmtp) {
                add(plain.name, whole_seconds(field.value()));
            } else if (!plain.is_flag) {
                add(plain.name, field.value());
            } else if (field.value() == "yes") {
                add(plain.name, "y");
            }
        }
        return Done{};
    }

    Result<Done> add_families()
    {
        for (Field_id id :
             {Field_id::forward_prefix, Field_id::event_prefix, Field_id::user_prefix}) {
            for (const Merged_field &family : merged_.families()) {
                if (family.field->id != id)
                    continue;
                const std::string name = std::string(to_string(id)) + family.field->suffix;
                Result<std::string> expanded = expanded_for_login(family.value());
                if (!expanded)
                    return refuse("has a " + name + " that " + expanded.error().message);
                add(name, *expanded);
            }
        }
        return Done{};
    }

    // What the login plugin reads. LMTP has no login process, and so nobody who would enforce it.
    Result<Done> add_login_plugin_fields()
    {
        auto value_or = [this](Field_id id, const std::string &setting) -> const std::string & {
            const Merged_field &field = merged_[id];
            return field ? field.value() : setting;
        };
        const std::string &policy = value_or(Field_id::tls_policy, settings_.default_tls_policy);
        if (Result<Done> done = check_tls_policy(policy); !done)
            return done;
        const std::string &pool = value_or(Field_id::source, settings_.default_source_pool);
        if (!pool.empty() && settings_.find_source_pool(pool) == nullptr)
            return refuse("asks for source pool " + pool +
                          ", but there is no section source_pool " + pool + " { } in " +
                          settings_.path);
        if (login_.service == Service::lmtp) {
            route_.source_pool = pool;
            return Done{};
        }
        if (!policy.empty()) {
            // MUST: a login process without the plugin knows nothing of policies. It fails this
            // login, as it does not know the mechanism; the plugin puts the real one in its place.
            for (auto &[name, value] : route_.fields) {
                if (name == "proxy_mech")
                    name = "proxymap_mech";
            }
            add("proxy_mech", std::string(needs_login_plugin));
            add("proxymap_tls", policy);
        }
        add("proxymap_source", pool);
        return Done{};
    }

    // MUST: mail waits, and a login fails, rather than leave with less protection than its policy
    // demands.
    Result<Done> check_tls_policy(const std::string &name)
    {
        if (name.empty())
            return Done{};
        const Tls_policy *policy = settings_.find_tls_policy(name);
        if (policy == nullptr)
            return refuse("asks for TLS policy " + name + ", but there is no section tls_policy " +
                          name + " { } in " + settings_.path);
        const Merged_field &field = merged_[Field_id::tls];
        const std::string &tls = field ? field.value() : settings_.default_tls;
        if (policy->require && tls == "no")
            return refuse("asks for TLS policy " + name + ", which requires TLS, but has tls=no");
        if (!policy->any_cert && tls.ends_with("any-cert"))
            return refuse("has tls=" + tls + ", but its TLS policy " + name +
                          " does not say any_cert = yes");
        if (login_.service != Service::lmtp)
            return Done{};
        const std::string beyond = not_enforceable_by_lmtp(*policy);
        if (!beyond.empty())
            return refuse("asks for TLS policy " + name + ", of which LMTP cannot enforce " +
                          beyond + ": it has no login process");
        return Done{};
    }

    const Login &login_;
    const Named_record record_;
    const Named_record backend_;
    const Settings &settings_;
    const Credentials &credentials_;
    Route &route_;
    Merged_fields merged_;
    std::size_t bytes_ = 0;
};

} // namespace

std::string record_label(Kind kind, std::string_view name)
{
    const std::string_view kind_word = to_string(kind);
    std::string label;
    label.reserve(kind_word.size() + 1 + name.size());
    label += kind_word;
    label += ' ';
    label += name;
    return label;
}

Result<Done> fill_route(const Login &login, const Named_record &record, const Named_record &backend,
                        const Settings &settings, const Credentials &credentials, Route *route_r)
{
    return Filler(login, record, backend, settings, credentials, route_r).fill();
}

} // namespace proxymap
