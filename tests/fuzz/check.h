// What the fuzzers demand of every record that was taken. Says the MUSTs of the design a second
// time, in other words than src/core does, so that a slip there is found here.
#pragma once

#include "core/record.h"

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

namespace fuzz {

inline void check(bool holds, const char *what)
{
    if (!holds) {
        std::fprintf(stderr, "does not hold: %s\n", what);
        std::abort();
    }
}

inline bool has_control(std::string_view text)
{
    for (const char c : text) {
        if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) {
            return true;
        }
    }
    return false;
}

inline bool same(const proxymap::Record &a, const proxymap::Record &b)
{
    return a.kind == b.kind && a.name == b.name && a.fields == b.fields && a.position == b.position;
}

inline void check_error(const proxymap::Error &error)
{
    check(!error.message.empty() && !has_control(error.message), "an error is one line");
    check(error.message.size() < 1500, "an error is short");
}

inline void check_musts(const proxymap::Record &record)
{
    using proxymap::Field_id;
    using proxymap::Kind;

    check(!record.name.empty() && record.name.size() <= 512, "a name has 1 to 512 bytes");
    check(!has_control(record.name), "a name holds no control character");
    check((record.name == "*") == (record.kind == Kind::default_route), "* is the default record");
    check(proxymap::format_record(record).size() <= 4096, "a record has at most 4 KiB");
    check(!record.fields.empty() || record.kind == Kind::backend, "a route has a field");

    for (const auto &field : record.fields) {
        const auto name = field.name();
        const auto base = name.substr(0, name.find('.'));
        for (const std::string_view refused : {"proxy", "proxy_maybe", "proxy_always", "nopassword",
                                               "noauthenticate", "fail", "pos", "seal", ""}) {
            check(base != refused, "what the module decides is in no record");
        }
        check(!base.starts_with("userdb_"), "no record sets the user database");
        check(name.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                     "0123456789_-.") == std::string::npos,
              "a field's name holds only plain bytes");
        check(field.value.size() <= 512, "a value has at most 512 bytes");
        check(!has_control(field.value), "a value holds no control character");

        const bool literal = field.id == Field_id::reason || field.id == Field_id::master ||
                             field.id == Field_id::pass || field.id == Field_id::password;
        const bool expands = field.id == Field_id::destuser || !field.suffix.empty();
        check(literal || expands || field.value.find('%') == std::string::npos,
              "destinations are literal");
        check(proxymap::check_field_value(field.id, name, field.value).ok(),
              "a value that is kept is a value that is taken");
        int same_name = 0;
        for (const auto &other : record.fields) {
            same_name += other.name() == name ? 1 : 0;
        }
        check(same_name == 1, "a field stands once");
    }
}

} // namespace fuzz
