// Source pools: the local addresses that connections to backends come from. Local to the proxy
// host; records only name them (source=).
#pragma once

#include "conf_file.h"
#include "ip.h"
#include "result.h"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace proxymap {

struct Setting_info; // settings.h

// least-used | round-robin | hash-user | hash-destination
enum class Choose : std::uint8_t { least_used, round_robin, hash_user, hash_destination };

std::string_view to_string(Choose choose);

struct Source_word {
    std::string text;           // address or name, without its `?`
    std::optional<Ip> ip;       // nothing: a name, looked up again and again
    bool only_assigned = false; // `?` in front: only those addresses that this host has
    bool operator==(const Source_word &) const = default;
};

// `source_pool NAME { addresses = ... choose = ... }`.
struct Source_pool {
    std::string name;
    std::vector<Source_word> words; // 1 to 1024, no address and no name twice
    Choose choose = Choose::least_used;
    std::uint64_t refresh = 60'000;   // ms between two look-ups of its names
    std::uint64_t avoid_for = 10'000; // ms for which an address that failed is passed over
    bool operator==(const Source_pool &) const = default;
};

// The settings of a section, in the order of the manual.
std::vector<Setting_info> source_pool_settings();
// Whether the value alone is right; the error does not say where it stands.
Result<Done> check_source_pool_setting(std::string_view name, std::string_view value);

// Checks every setting; looks up no name. Errors are "path:line: ..." and say what is allowed.
Result<Source_pool> parse_source_pool(const Conf_section &section, const std::string &path);

// Why no connection to a backend can come from this address, as "is a multicast address"; empty
// when one can. MUST be asked for what a name resolves to, too: parse_source_pool() asks it only
// for the addresses that are written out.
std::string_view why_no_source(const Ip &ip);

// One address of a pool, as a chooser sees it.
struct Source_candidate {
    Ip ip;
    std::uint64_t used = 0; // connections from it to this destination, over all login processes
    bool avoided = false;   // failed a moment ago
};

// Picks among candidates of the destination's family; never one of another family. The index of the
// chosen one; -1: none. Addresses that are avoided come last, not never.
//
// least_used: the lowest `used`; equal ones take turns.
// round_robin: all take turns. It and least_used use and advance *turn, which every process begins
// anywhere: processes that all begin at 0 and live for one login would all choose the first.
// hash_user and hash_destination: the same user, or destination, gets the same address on every
// host and in every order of the candidates, and an address more or less moves only its own share
// of them. source_choice.cc says by which hash. turn is not used, and may be null.
int choose_source(Choose choose, const std::vector<Source_candidate> &candidates,
                  const Ip &destination, std::string_view user, std::uint64_t *turn);

} // namespace proxymap
