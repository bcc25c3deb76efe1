// %{user}, %{username}, %{domain} and %{service} in the fields where field_expands() says so.
// Internal to core.
#pragma once

#include "result.h"
#include "route.h"

#include <string>
#include <string_view>

namespace proxymap {

// The parts of a login name, cut at the first @ as Dovecot's %n and %d are.
std::string_view username_of(std::string_view user); // all of it without an @
std::string_view domain_of(std::string_view user);   // empty without an @

// Expands once: what a login name brings along is never expanded itself. %% is a percent sign.
// The result has at most max_value_bytes and no control character, and may be empty. The error is
// the end of a sentence that begins with the field's name.
Result<std::string> expand(std::string_view value, const Login &login);

} // namespace proxymap
