// Whether auth's structures lie in memory as in the headers that the passdb was compiled with. A
// field that is read in another's place could open auth to anybody, so each one that the passdb
// reads is probed, before the first login: by what Dovecot says elsewhere of the same thing, and
// by having it change a request of its own.
#pragma once

#include "layout.h"
#include "passdb_branch.h"

namespace proxymap {

// Each: what differs; null: nothing does.

// How Dovecot calls passdbs. To be called before the first is registered.
const char *find_interface_difference();
// The lists of passdb blocks, their rules and settings. To be called once all passdbs are made.
const char *find_chain_difference();
// Requests. The chains must fit.
const char *find_request_difference();

// ---- in each branch's file

// auth_find_service() and what it is called there.
auth *find_auth(const char *service);
const char *service_of(const auth &protocol);
const auth_settings *settings_of(const auth &protocol);
// Whether the settings of a block, that the branch and passdb.cc read, are at their places.
bool block_settings_fit();
// What else a block has of its settings. Both are copies.
bool block_fits(const auth_passdb &block, const auth_passdb_settings &set);

// ---- in mechanisms_2_3.cc and mechanisms_2_4_5.cc

// The list of the protocol's mechanisms.
bool mechanisms_fit(const auth &protocol);

} // namespace proxymap
