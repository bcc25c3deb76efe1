// What doveconf(1) prints, read as a tree: settings, and blocks `type NAME { ... }` in their order.
// Both branches write it alike.
//
// MUST: it is for saying what is wrong with a configuration, never for running by it: what is not
// understood is passed over.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace proxymap {

struct Doveconf_block {
    std::string type; // "passdb"; empty for what stands outside of blocks
    std::string name; // as in `passdb NAME {`; of Dovecot 2.3 mostly empty
    std::vector<std::pair<std::string, std::string>> settings;
    std::vector<Doveconf_block> blocks;

    // "" where it is not given.
    std::string value(std::string_view setting) const;
    bool is_yes(std::string_view setting) const { return value(setting) == "yes"; }
    // Null: there is none. The first of that type and name.
    const Doveconf_block *find(std::string_view wanted_type, std::string_view wanted_name) const;
};

// What holds for a protocol: what stands in its block `protocol NAME { }`, and then the rest.
Doveconf_block with_protocol_block(const Doveconf_block &all, std::string_view protocol);

// Of the whole text, or of as much of it as there is.
Doveconf_block parse_doveconf(std::string_view text);

} // namespace proxymap
