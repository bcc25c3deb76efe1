// The doors that a passdb block could leave open; see passdb_block.h.
#include "passdb_block.h"

namespace proxymap {

bool is_harmless_field(std::string_view name)
{
    return name == "source_ip" || name.starts_with("userdb_") || name.starts_with("user_") ||
           name.starts_with("event_") || name.starts_with("forward_");
}

std::string check_passdb_block(const Block_rules &rules, Verify verify)
{
    if (rules.is_master)
        return "a block with `master = yes` cannot use it: it would accept any master user";
    if (rules.failures_let_in)
        return "result_failure and result_internalfail of its block must not be return-ok or "
               "continue-ok: a login without a route would be let in";
    if (rules.others_let_in)
        return "no other passdb may have result_failure or result_internalfail = return-ok or "
               "continue-ok: a wrong password would be let in";
    if (!rules.foreign_field.empty())
        return "default_fields and override_fields of its block must not set " +
               rules.foreign_field +
               ", for that would change its routes: source_ip, forward_*, event_*, user_* and "
               "userdb_* are allowed";
    if (verify == Verify::backend && rules.success_goes_on)
        return "with verify = backend its block must not have `result_success = continue`: a "
               "password that nobody has checked would count as checked behind it";
    if (!rules.believing_mechanism.empty() && !rules.failures_end_login)
        return "auth_mechanisms has " + rules.believing_mechanism +
               ", which lets in whom it has verified itself, so its block needs "
               "`result_failure = return-fail` and `result_internalfail = return-fail`, or a "
               "login would go on without its route";
    if (!rules.believing_mechanism.empty() && rules.earlier_failures_end)
        return "auth_mechanisms has " + rules.believing_mechanism +
               ", which lets in whom it has verified itself, so each passdb before it needs "
               "`result_failure = continue`: whom that one does not know would be let in without "
               "a route; or put proxymap first";
    if (!rules.believing_mechanism.empty() && rules.masters_can_be_named)
        return "auth_mechanisms has " + rules.believing_mechanism +
               ", which lets in whom it has verified itself, so there must be no "
               "auth_master_user_separator while a passdb has `master = yes`: whoever puts any "
               "name and the separator before his own would be let in without a route";
    if (!rules.believing_mechanism.empty() &&
        (rules.skips_some_logins || rules.skipped_when_authenticated ||
         rules.skipped_when_unauthenticated))
        return "auth_mechanisms has " + rules.believing_mechanism +
               ", which lets in whom it has verified itself, so its block must not have "
               "mechanisms, username_filter or skip: the logins that they skip would go on "
               "without a route";
    if (verify != Verify::none) {
        if (rules.earlier_said_ok && !rules.failures_end_login)
            return "behind a passdb with `result_success = continue-ok` its block needs "
                   "`result_failure = return-fail` and `result_internalfail = return-fail`, or a "
                   "login would go on without its route";
        if (rules.has_next && !rules.outages_end_login)
            return "another passdb stands behind it, so its block needs `result_internalfail = "
                   "return-fail`: in an outage that one would let users in without their route";
        return {};
    }
    if (rules.skips_some_logins)
        return "with verify = none its block must not have mechanisms or username_filter: the "
               "logins that they skip would go on without a route";
    if (rules.skipped_when_authenticated)
        return "with verify = none its block must not have `skip = authenticated`: users "
               "authenticated before it would log in without a route";
    if (rules.skipped_when_unauthenticated && rules.has_next)
        return "with verify = none its block must not have `skip = unauthenticated` while another "
               "passdb stands behind it: that one would let users in without a route";
    if (rules.earlier_end_login)
        return "with verify = none each passdb before it needs `result_success = continue`, or "
               "logins would end there without a route; or put proxymap first";
    if (rules.is_first && !rules.has_next)
        return "with verify = none another passdb must check the password: put it behind";
    // Fatal, for there is no answer that a wrong block does not turn into a local login: LMTP takes
    // even "user disabled" for "not here", and delivers to this host.
    if (!rules.failures_end_login)
        return how_to_write_verify_none;
    return {};
}

} // namespace proxymap
