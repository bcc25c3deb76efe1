// What doveconf prints of a few configurations, for the tests of `check`.
#pragma once

#include "dovecot/running_config.h"

#include <string>

namespace proxymap {

// A passdb block of Dovecot 2.3, as `doveconf -a` prints it.
inline std::string printed_passdb(const std::string &driver, const std::string &more = "")
{
    return "passdb {\n  args = \n  default_fields = \n  deny = no\n  driver = " + driver +
           "\n  master = no\n  mechanisms = \n  override_fields = \n" + more + "}\n";
}

// With that chain for imap.
inline Running_config config_with(const std::string &printed)
{
    const Doveconf_block all = parse_doveconf(printed);
    Running_config config = make_running_config(all, false);
    config.protocols.push_back(make_running_protocol("imap", all));
    return config;
}

} // namespace proxymap
