// Seals of stored records.
#include "core/seal.h"

#include <string>

#include <CppUTest/TestHarness.h>

using namespace proxymap;

namespace {

const std::string text = "user john backend=b1 pos=0000000000000001.1.1";

Seal_keys keys_of(const std::string &current)
{
    Seal_keys keys;
    keys.current = current;
    keys.keys["k1"] = std::string(32, '1');
    keys.keys["k2"] = std::string(32, '2');
    return keys;
}

} // namespace

TEST_GROUP(seal){};

TEST(seal, is_the_key_id_and_hmac_sha_256_in_base64url)
{
    // printf 'pm\nuser john backend=b1 pos=0000000000000001.1.1' |
    //   openssl dgst -sha256 -mac HMAC -macopt key:$(printf '1%.0s' $(seq 32)) -binary | basenc
    //   --base64url
    STRCMP_EQUAL("k1:9CF7uBoCAtCQnWNOlYYahspB-gOrMc6OhkivhNTcy48",
                 make_seal(keys_of("k1"), "pm", text).c_str());
}

TEST(seal, what_is_sealed_is_accepted)
{
    const auto keys = keys_of("k1");
    CHECK(check_seal(keys, "pm", text, make_seal(keys, "pm", text)).ok());
}

TEST(seal, an_older_key_still_verifies_after_a_roll_over)
{
    const auto old_seal = make_seal(keys_of("k1"), "pm", text);
    CHECK(check_seal(keys_of("k2"), "pm", text, old_seal).ok());
}

TEST(seal, an_edited_record_is_refused)
{
    const auto keys = keys_of("k1");
    const auto seal = make_seal(keys, "pm", text);
    for (std::size_t i = 0; i < text.size(); i++) {
        auto edited = text;
        edited[i] = static_cast<char>(edited[i] ^ 1);
        CHECK(!check_seal(keys, "pm", edited, seal).ok());
    }
    CHECK(!check_seal(keys, "pm", text + " ", seal).ok());
    CHECK(!check_seal(keys, "pm", "", seal).ok());
}

TEST(seal, an_edited_seal_is_refused)
{
    const auto keys = keys_of("k1");
    const auto seal = make_seal(keys, "pm", text);
    for (std::size_t i = 0; i < seal.size(); i++) {
        auto edited = seal;
        edited[i] = static_cast<char>(edited[i] ^ 1);
        CHECK(!check_seal(keys, "pm", text, edited).ok());
    }
    for (const auto &wrong :
         {std::string(), std::string("k1"), std::string("k1:"), std::string(":"), seal + "A",
          seal + "=", seal + ":" + seal, seal.substr(0, seal.size() - 1), "k2" + seal.substr(2),
          "k3" + seal.substr(2)}) {
        CHECK_TEXT(!check_seal(keys, "pm", text, wrong).ok(), wrong.c_str());
    }
}

TEST(seal, of_another_namespace_is_refused)
{
    const auto keys = keys_of("k1");
    CHECK(!check_seal(keys, "other", text, make_seal(keys, "pm", text)).ok());
    // Nor can bytes wander from the namespace into the text.
    CHECK(!check_seal(keys, "p", "m" + text, make_seal(keys, "pm", text)).ok());
}

TEST(seal, a_short_key_neither_seals_nor_verifies)
{
    Seal_keys keys;
    keys.current = "k";
    keys.keys["k"] = std::string(31, 'x');
    STRCMP_EQUAL("", make_seal(keys, "pm", text).c_str());
    CHECK(!check_seal(keys, "pm", text, "k:").ok());
}

TEST(seal, a_missing_current_key_seals_nothing)
{
    STRCMP_EQUAL("", make_seal(keys_of("k3"), "pm", text).c_str());
    STRCMP_EQUAL("", make_seal(Seal_keys{}, "pm", text).c_str());
}

TEST(seal, errors_say_which_key)
{
    const auto checked = check_seal(keys_of("k1"), "pm", text, "k9:abc");
    CHECK(checked.error().message.find("\"k9\"") != std::string::npos);
}
