// A settings file of ours in the words of Dovecot 2.4, which has the same settings in dovecot.conf.
#pragma once

#include "result.h"

#include <string>
#include <string_view>

namespace proxymap {

// Lines for dovecot.conf: the sections, and a passdb block with the other settings. Comments are
// left behind; what is not written in the file is not written here. Errors are those of
// parse_settings().
Result<std::string> format_native_settings(std::string_view text, const std::string &path);

} // namespace proxymap
