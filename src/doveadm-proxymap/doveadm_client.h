// Asks a doveadm-server for a command, over doveadm's own protocol: one connection a command, for
// that is what a doveadm-server serves.
//
// MUST: an answer that is not whole is an error. That a user has no session there is concluded from
// it.
#pragma once

#include "line_socket.h"

#include "dovecot/doveadm.h"

#include <string>
#include <string_view>
#include <vector>

namespace proxymap {

// words: the command ("proxymap sessions") and its arguments. Returns the values that it printed,
// in one list. Blocks; every wait is at most fifteen seconds, longer than such a command takes by
// itself. Without TLS, as doveadm's own client does by default.
Result<std::vector<std::string>> ask_doveadm(const Line_socket::Address &address,
                                             const Doveadm_access &access,
                                             const std::vector<std::string> &words);

// Words with a tab between them, and back, as strescape.c of Dovecot escapes what a word must not
// hold: \001, tab, newline, carriage return.
std::string join_tabbed(const std::vector<std::string> &words);
std::vector<std::string> split_tabbed(std::string_view line);

} // namespace proxymap
