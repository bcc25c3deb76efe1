// Walks through the passdb blocks as auth does; see check_passdbs.h.
//
// What auth itself refuses to start with is core's sentence (passdb_block.h). The rest here are
// blocks that auth takes, for they can be meant: users of this host beside those of the backends.
#include "check_passdbs.h"

#include <algorithm>

namespace proxymap {

namespace {

class Chain_check {
  public:
    Chain_check(const Running_protocol &protocol, const Running_config &config,
                const Settings &settings, Check_findings &findings)
        : passdbs_(protocol.passdbs), protocol_(protocol), settings_(settings), findings_(findings),
          believing_(find_believing_mechanism(protocol.mechanisms, config.is_2_4))
    {
    }

    void run()
    {
        const auto ours = std::find_if(passdbs_.begin(), passdbs_.end(),
                                       [](const Auth_block &block) { return block.is_ours(); });
        if (ours == passdbs_.end()) {
            findings_.error("protocol " + protocol_.name,
                            "no passdb has driver proxymap: nobody is routed",
                            "add one, or take the protocol out of backend_services");
            return;
        }
        first_ours_ = static_cast<std::size_t>(ours - passdbs_.begin());
        for (std::size_t i = 0; i < passdbs_.size(); i++) {
            if (passdbs_[i].is_ours())
                check_ours(i);
            else if (!passdbs_[i].is_master && !passdbs_[i].is_deny && !is_left_out(passdbs_, i))
                check_other(i);
        }
    }

  private:
    void check_ours(std::size_t i)
    {
        const Auth_block &block = passdbs_[i];
        if (is_left_out(passdbs_, i)) {
            findings_.error(block.label,
                            "skip = unauthenticated in the first passdb: Dovecot leaves it out",
                            "take skip out of the block");
            return;
        }
        const Block_rules rules =
            rules_of(passdbs_, i, believing_, protocol_.master_user_separator);
        const std::string complaint = check_passdb_block(rules, settings_.verify);
        if (!complaint.empty()) {
            findings_.error(block.label, complaint, "change it: auth does not start like this");
            return;
        }
        if (settings_.verify == Verify::none)
            return; // the rules above leave no way around it
        if (rules.skipped_when_authenticated && !rules.is_first)
            findings_.error(block.label,
                            "skip = authenticated: whom a passdb before it has accepted logs in "
                            "on this host, without a route",
                            "take skip out of the block, or use verify = none behind that passdb");
        else if (rules.skipped_when_unauthenticated)
            findings_.warning(block.label,
                              "skip = unauthenticated: it is asked only for logins that a passdb "
                              "before it has accepted, though it checks passwords itself",
                              "take skip out of the block");
        if (rules.skips_some_logins && (rules.has_next || !rules.is_first))
            findings_.warning(block.label,
                              "mechanisms or username_filter keep some logins from it; another "
                              "passdb can let them in on this host",
                              "take them out of the block, or put them into the others too");
    }

    void check_other(std::size_t i)
    {
        const Auth_block &block = passdbs_[i];
        if (block.accepts_any_password() && !block.proxies()) {
            findings_.error(block.label,
                            settings_.verify == Verify::none
                                ? "nopassword: it accepts any password, and with verify = none "
                                  "nobody else checks it on this host"
                                : "nopassword: it accepts any password, on this host and for any "
                                  "name that it is asked for",
                            "take nopassword out, or the block");
            return;
        }
        if (block.fields.contains("proxy_maybe"))
            findings_.warning(block.label,
                              "proxy_maybe: where its host is this one, users log in here, "
                              "whatever the map says of them",
                              "move its users into the map, whose routes decide that themselves");
        if (settings_.verify == Verify::none || block.proxies())
            return;
        if (i < first_ours_ && block.ends_login())
            findings_.warning(block.label,
                              "it stands before proxymap and ends logins: its users log in on this "
                              "host, whatever the map says of them",
                              "put it behind proxymap, or give it result_success = continue with "
                              "verify = none");
        else if (i < first_ours_ && block.result_failure.starts_with("return"))
            findings_.warning(block.label,
                              "result_failure = " + block.result_failure +
                                  " before proxymap: for whom it does not know, proxymap is never "
                                  "asked",
                              "give it result_failure = continue");
        else if (i > first_ours_ && block.ends_login() &&
                 passdbs_[first_ours_].result_failure.starts_with("continue"))
            findings_.warning(block.label,
                              "it stands behind proxymap: whom the map does not name, and it "
                              "knows, logs in on this host",
                              "if no user lives on this host, take it out or give proxymap's "
                              "block result_failure = return-fail");
    }

    const std::vector<Auth_block> &passdbs_;
    const Running_protocol &protocol_;
    const Settings &settings_;
    Check_findings &findings_;
    const std::string believing_;
    std::size_t first_ours_ = 0;
};

bool is_answered(const Running_protocol &protocol, const Settings &settings)
{
    return settings.backend_services.contains(parse_service(protocol.name).value_or(Service::any));
}

} // namespace

void check_passdbs(const Running_config &config, const Settings &settings, Check_findings &findings)
{
    for (const Running_protocol &protocol : config.protocols) {
        if (is_answered(protocol, settings))
            Chain_check(protocol, config, settings, findings).run();
    }
}

void check_userdbs(const Running_config &config, const Settings &settings, Check_findings &findings)
{
    for (const Running_protocol &protocol : config.protocols) {
        if (protocol.name != "lmtp" || !is_answered(protocol, settings))
            continue;
        if (!protocol.lmtp_proxy) {
            findings.error("protocol lmtp",
                           "lmtp_proxy = no: every mail is delivered on this host, whatever the "
                           "map says",
                           "set lmtp_proxy = yes, or take lmtp out of backend_services");
            continue;
        }
        if (settings.lmtp_missing != Lmtp_missing::local)
            continue; // a recipient without a route gets a temporary failure
        for (const Auth_block &userdb : protocol.userdbs) {
            if (userdb.allow_all_users)
                findings.error(userdb.label,
                               "allow_all_users = yes with lmtp_missing = local: mail for a "
                               "recipient without a route, or with a typing error, is delivered "
                               "on this host",
                               "set lmtp_missing = tempfail, or use a userdb that knows its users");
        }
    }
}

// Proxymap's own answers never get there: its block has no cache key (passdb.cc).
void check_auth_cache(const Running_config &config, const Settings &settings,
                      Check_findings &findings)
{
    if (config.auth_cache_size == 0)
        return;
    for (const Running_protocol &protocol : config.protocols) {
        for (const Auth_block &block : protocol.passdbs) {
            const bool routes = block.proxies() || block.fields.contains("host") ||
                                block.fields.contains("proxy_maybe");
            // With verify = none the others only check passwords.
            const bool places = routes || (settings.verify != Verify::none && block.ends_login());
            if (!block.is_ours() && !block.is_deny && places)
                findings.warning(
                    block.label,
                    "auth_cache_size is set: what this passdb says of a user is kept for "
                    "auth_cache_ttl (" +
                        config.auth_cache_ttl +
                        "), so a user who moves from it into the map, or whose host it "
                        "names, goes to the old place until then",
                    "set auth_cache_size = 0 on proxies (proxymap has a cache of its own), or run "
                    "doveadm auth cache flush after a move");
        }
    }
}

} // namespace proxymap
