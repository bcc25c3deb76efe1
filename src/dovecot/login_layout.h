// Whether a login process' structures lie in memory as in the headers that the plugin was compiled
// with. Debian moves them under an unchanged ABI version.
#pragma once

#include "layout.h"

struct client;

namespace proxymap {

// Of a client that has just been allocated: fields from all over its structure, each with a value
// that it has then, and no other place in memory is likely to have. The name of one that differs;
// null: none. MUST: all of them are looked at, so none is followed.
const char *find_layout_difference(const ::client *client);
// The same of a client that is authenticating, for the bits at the structure's end: when it is
// allocated they say nothing that zeros do not.
const char *find_difference_at_login(const ::client *client);

// ---- in each branch's file

// Whether Dovecot's settings for TLS are as large as the headers say.
bool ssl_settings_fit();

} // namespace proxymap
