// Where a passdb block of ours stands among the others and what its result_* rules say, and which
// of that would let somebody in without a route, or by a password that nobody has checked. Auth
// asks when it starts; `doveadm proxymap check` asks beforehand.
//
// MUST: knows no Dovecot, so that both say the same.
#pragma once

#include "settings.h"

#include <string>
#include <string_view>

namespace proxymap {

// Where the block that a request came through stands, and what its rules say.
struct Block_rules {
    bool is_master = false;
    bool is_first = false;
    bool has_next = false;                   // another passdb follows
    bool failures_end_login = false;         // result_failure and result_internalfail: return-fail
    bool outages_end_login = false;          // result_internalfail: return-fail
    bool failures_let_in = false;            // one of them is return-ok or continue-ok
    bool success_goes_on = false;            // result_success: continue...
    bool skips_some_logins = false;          // mechanisms or username_filter are set
    std::string foreign_field;               // default_fields or override_fields set this one
    bool skipped_when_authenticated = false; // skip = authenticated
    bool skipped_when_unauthenticated = false;
    bool earlier_end_login = false;    // a block before it can end a login with success
    bool earlier_said_ok = false;      // a block before it can leave the login at "ok"
    bool earlier_failures_end = false; // a block before it ends logins of those it does not know
    bool others_let_in = false;        // another block's failures let somebody in
    bool masters_can_be_named = false; // by a separator, and other blocks look them up first
    std::string believing_mechanism;   // is enabled, and lets in whom it has verified itself
};

// Why auth does not start with this block and that setting `verify`; empty where nothing is wrong.
std::string check_passdb_block(const Block_rules &rules, Verify verify);

// Whether an admin may write this field into a block of ours: it changes neither where a route
// leads nor who gets in.
bool is_harmless_field(std::string_view name);

// What is wrong with a block of verify = none that does not end failed logins.
inline constexpr const char *how_to_write_verify_none =
    "with verify = none its block needs `result_failure = return-fail` and "
    "`result_internalfail = return-fail`, or a login would go on without its route";

} // namespace proxymap
