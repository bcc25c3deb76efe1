// Seals of stored records: HMAC-SHA-256 (RFC 2104), base64url without padding (RFC 4648, 5).
//
// MUST compare in constant time, and never take a seal of a key that is absent or too short.
#include "seal.h"

#include "text.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <algorithm>
#include <array>

namespace proxymap {

namespace {

constexpr std::size_t mac_bytes = 32;
constexpr std::size_t encoded_bytes = 43;

std::string encode_base64url(const std::array<unsigned char, mac_bytes> &bytes)
{
    std::array<unsigned char, encoded_bytes + 2> text{}; // with its padding and a NUL
    EVP_EncodeBlock(text.data(), bytes.data(), static_cast<int>(bytes.size()));
    std::string encoded(text.begin(), text.begin() + encoded_bytes);
    std::replace(encoded.begin(), encoded.end(), '+', '-');
    std::replace(encoded.begin(), encoded.end(), '/', '_');
    return encoded;
}

// The newline keeps the namespace and the text apart, for neither holds one.
// Empty when the key is too short or libcrypto fails.
std::string compute_mac(std::string_view key, std::string_view name_space,
                        std::string_view signed_text)
{
    if (key.size() < min_seal_key_bytes) {
        return {};
    }
    std::string message(name_space);
    message += '\n';
    message += signed_text;
    std::array<unsigned char, mac_bytes> mac{};
    unsigned length = 0;
    if (HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()),
             reinterpret_cast<const unsigned char *>(message.data()), message.size(), mac.data(),
             &length) == nullptr ||
        length != mac.size()) {
        return {};
    }
    return encode_base64url(mac);
}

} // namespace

std::string make_seal(const Seal_keys &keys, std::string_view name_space,
                      std::string_view signed_text)
{
    const auto key = keys.keys.find(keys.current);
    if (key == keys.keys.end()) {
        return {};
    }
    const auto mac = compute_mac(key->second, name_space, signed_text);
    return mac.empty() ? std::string() : key->first + ':' + mac;
}

Result<Done> check_seal(const Seal_keys &keys, std::string_view name_space,
                        std::string_view signed_text, std::string_view seal)
{
    if (seal.empty()) {
        return Error{"the record has no seal"};
    }
    // A key's id may hold a colon, base64url holds none.
    const auto colon = seal.rfind(':');
    if (colon == std::string_view::npos) {
        return Error{"the seal is not <key id>:<mac>"};
    }
    const auto key_id = seal.substr(0, colon);
    const auto mac = seal.substr(colon + 1);
    const auto key = keys.keys.find(key_id);
    if (key == keys.keys.end()) {
        return Error{"the record is sealed with key " + quote(key_id) +
                     ", which is not among the seal keys"};
    }
    const auto expected = compute_mac(key->second, name_space, signed_text);
    if (expected.empty()) {
        return Error{"the seal cannot be checked: key " + quote(key_id) + " has less than " +
                     std::to_string(min_seal_key_bytes) + " bytes, or libcrypto failed"};
    }
    if (mac.size() != expected.size() ||
        CRYPTO_memcmp(mac.data(), expected.data(), expected.size()) != 0) {
        return Error{"the seal is wrong: the record was not written by a holder of key " +
                     quote(key_id) + ", or for another key or namespace"};
    }
    return Done{};
}

} // namespace proxymap
