// What passdb.cc, the files for each branch, passdb_2_3.cc and passdb_2_4.cc, and those for its
// releases, mechanisms_2_3.cc and mechanisms_2_4_5.cc, have of one another. For these alone.
#pragma once

#include "passdb.h"

#include "dovecot.h"

extern "C" {
#include <auth-common.h>
#include <auth-fields.h>
#include <auth-request.h>
#include <auth-settings.h>
#include <auth.h>
#include <passdb.h>
#include <password-scheme.h>
}

#include <exception>

namespace proxymap {

inline constexpr const char *default_scheme = "PLAIN";

// ---- in passdb.cc

// For the interface's preinit, which is the branch's own. Blocks with the same settings share what
// make() makes; it may throw, and never gives null. The module lies in the pool.
passdb_module *add_passdb(pool_t pool, const std::string &settings,
                          const std::function<std::unique_ptr<Passdb>()> &make);

// The interface's other functions.
extern "C" {
void proxymap_init(passdb_module *module) noexcept;
void proxymap_deinit(passdb_module *module) noexcept;
void proxymap_verify_plain(auth_request *request, const char *password,
                           verify_plain_callback_t *callback) noexcept;
void proxymap_lookup_credentials(auth_request *request,
                                 lookup_credentials_callback_t *callback) noexcept;
}

// Entry points. Exceptions never cross into C. False: one was caught, and logged.
template <typename Function> bool guard(const char *what, Function &&function) noexcept
{
    try {
        function();
        return true;
    } catch (const std::exception &error) {
        i_error("proxymap: %s: %s", what, error.what());
    } catch (...) {
        i_error("proxymap: %s: unknown exception", what);
    }
    return false;
}

// ---- in each branch's file

extern passdb_module_interface interface;

// Whether the request's settings are among those that auth has read, as the headers say. Its passdb
// is known by then to be one of ours.
bool settings_fit(const auth_request *request);
const char *service_of(const auth_request *request);

// Whether logins by this mechanism succeed once it has verified them itself, whatever a passdb says
// then: all but result_...= return-fail.
bool lets_in_by_itself(std::string_view mechanism);
bool skips_some_logins(const auth_passdb *block);
// A field of the block's own that would change where a route leads or who gets in, for it is laid
// under or over the route; empty: none.
std::string find_foreign_field(const auth_passdb *block);
// Sets the block's own fields, where Dovecot leaves that to the passdb. False: that failed.
bool set_block_fields(auth_request *request);
// Keeps a login process that goes this route by TLS out of a Dovecot bug in which the connection
// stalls.
void avoid_stall(auth_request *request);

// As Auth_request::verify_password(), the scheme taken off.
int verify_password(auth_request *request, const char *plaintext, const char *crypted,
                    const char *scheme);

// ---- in the release's file

// Empty: the request does not authenticate.
std::string_view mechanism_of(const auth_request *request);
std::vector<std::string> enabled_mechanisms(const auth *protocol);
// Whether the request's mechanism lets in whom it has verified itself even where the block has
// result_...= return-fail: then only a disabled user is kept out.
bool overrules_passdbs(const auth_request *request);
// A new one, of no client and no mechanism.
auth_request *make_request(event *parent);

} // namespace proxymap
