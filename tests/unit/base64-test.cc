// base64, by the examples of RFC 4648, section 10.
#include "core/base64.h"

#include <array>
#include <utility>

#include <CppUTest/TestHarness.h>

using namespace proxymap;

TEST_GROUP(base64){};

TEST(base64, each_length_of_the_last_group_comes_back_as_it_went_in)
{
    const std::array<std::pair<const char *, const char *>, 7> examples = {
        {{"", ""},
         {"f", "Zg=="},
         {"fo", "Zm8="},
         {"foo", "Zm9v"},
         {"foob", "Zm9vYg=="},
         {"fooba", "Zm9vYmE="},
         {"foobar", "Zm9vYmFy"}}};
    for (const auto &[bytes, text] : examples) {
        STRCMP_EQUAL(text, encode_base64(bytes).c_str());
        CHECK_TEXT(decode_base64(text) == bytes, text);
    }
}

TEST(base64, every_byte_can_be_encoded)
{
    std::string bytes;
    for (int byte = 0; byte < 256; byte++)
        bytes += static_cast<char>(byte);
    const std::string text = encode_base64(bytes);
    CHECK_EQUAL(344U, text.size());
    CHECK(text.find('+') != std::string::npos && text.find('/') != std::string::npos);
    CHECK(decode_base64(text) == bytes);
    const std::string plain("\0john\0secret", 12);
    STRCMP_EQUAL("AGpvaG4Ac2VjcmV0", encode_base64(plain).c_str());
}

TEST(base64, what_was_cut_short_or_is_written_otherwise_is_nothing)
{
    for (const char *text : {"Zg", "Zg=", "Zh==", "Zm9=", "Z===", "====", "Zg==Zg==", "Zm9v\n",
                             "Zm 9", "Zm9-", "Zm9_", "Zm9v="})
        CHECK_TEXT(!decode_base64(text), text);
}
