// Keys of records. MUST never let a byte of a login name through that means something in
// memcached's protocols (blank, CR, LF, NUL, control) or in a key (`:`, `#`, `%`).
#include "key.h"

#include "text.h"

#include <openssl/sha.h>

#include <array>

namespace proxymap {

namespace {

constexpr std::string_view upper_hex = "0123456789ABCDEF";
constexpr std::string_view lower_hex = "0123456789abcdef";

constexpr bool stands_for_itself(char c)
{
    return is_alnum(c) || c == '@' || c == '.' || c == '_' || c == '+' || c == '=' || c == '-';
}

void append_hex(std::string &out, unsigned byte, std::string_view digits)
{
    out += digits[byte >> 4U];
    out += digits[byte & 0xfU];
}

void append_encoded(std::string &out, std::string_view text)
{
    for (const char c : text) {
        if (stands_for_itself(c)) {
            out += c;
        } else {
            out += '%';
            append_hex(out, static_cast<unsigned char>(c), upper_hex);
        }
    }
}

// `#` itself is always encoded in a name, so no name can claim another one's hashed key.
void append_hash(std::string &out, std::string_view name)
{
    std::array<unsigned char, SHA256_DIGEST_LENGTH> digest{};
    SHA256(reinterpret_cast<const unsigned char *>(name.data()), name.size(), digest.data());
    out += '#';
    for (const unsigned byte : digest) {
        append_hex(out, byte, lower_hex);
    }
}

void make_key(std::string &key, std::string_view name_space, std::string_view what,
              std::string_view name)
{
    key.clear();
    if (!name_space.empty()) {
        append_encoded(key, name_space);
        key += ':';
    }
    key += what;
    key += ':';
    const auto start = key.size();
    // A name that is too long as it stands need not be encoded to know so.
    if (start + name.size() <= max_key_bytes) {
        append_encoded(key, name);
    }
    if (start + name.size() > max_key_bytes || key.size() > max_key_bytes) {
        key.resize(start);
        append_hash(key, name);
    }
}

} // namespace

std::string encode_key(std::string_view name_space, Kind kind, std::string_view name)
{
    std::string key;
    encode_key(name_space, kind, name, &key);
    return key;
}

void encode_key(std::string_view name_space, Kind kind, std::string_view name, std::string *key_r)
{
    make_key(*key_r, name_space, to_string(kind), name);
}

std::string encode_key(std::string_view name_space, std::string_view what, std::string_view name)
{
    std::string key;
    make_key(key, name_space, what, name);
    return key;
}

std::string marker_key(std::string_view name_space)
{
    std::string key;
    append_encoded(key, name_space);
    key += ":marker";
    return key;
}

} // namespace proxymap
