// The settings as Dovecot 2.4 reads them itself: proxymap_... in dovecot.conf, and the sections
// proxymap_tls_policy NAME { }, proxymap_source_pool NAME { } and proxymap_credential NAME { }.
//
// What Dovecot is told about them is made from core's lists, and all values are text to it: units,
// limits and sentences are core's, and so the same as in the settings file of 2.3.
#pragma once

#include "../core/conf_file.h"
#include "../core/result.h"

#include <string>
#include <vector>

struct event;
struct setting_parser_info;

namespace proxymap {

// What errors about them begin with, in place of a file's name.
inline constexpr const char *native_settings_path = "proxymap_ settings";

// What modules/settings exports; ends with null.
const setting_parser_info *const *native_setting_infos();

// What stands in dovecot.conf, as core's make_settings() takes it. A setting that has its default
// is left out. The event's filters say where in dovecot.conf: an auth process has those of its
// passdb block.
Result<Conf_section> read_native_settings(event *event);

// The names of the blocks `passdb NAME { driver = proxymap }`, in their order.
Result<std::vector<std::string>> find_native_passdbs(event *event);

// The settings that hold in that block; in none where the name is empty.
Result<Conf_section> read_native_passdb_settings(event *event, const std::string &block);

} // namespace proxymap
