// Dovecot's C headers for C++: the one place that includes them for the auth process.
//
// Needs -DHAVE_CONFIG_H and Dovecot's include path by -idirafter (newer headers ship a file
// called `version` that would shadow C++'s <version>), and angle brackets, for files here have
// names that Dovecot uses too. Never together with proxymap-config.h, for Dovecot's config.h
// defines PACKAGE_* too.
#pragma once

// C++ headers first: Dovecot's macros (min, max, i_*) must not meet them.
#include <algorithm>
#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

extern "C" {
#include <lib.h>
// lib.h comes first.
#include <array.h>
#include <ioloop.h>
#include <module-dir.h>
#include <net.h>
#include <str.h>
#include <strescape.h>
}

// What Dovecot looks up by name in a module.
#define PROXYMAP_EXPORT extern "C" __attribute__((visibility("default")))
