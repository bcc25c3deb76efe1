// src/doveadm-proxymap/seal_state.cc
#include "doveadm-proxymap/seal_state.h"

#include "fake_table.h"

#include <string>

#include <CppUTest/TestHarness.h>

using namespace proxymap;

namespace {

const std::string pos = " pos=0000000000000007.1.";
const std::string older = "user joe host=b1" + pos + "1";
const std::string newer = "user joe host=b2" + pos + "2";

} // namespace

TEST_GROUP(seal_state)
{
    Configuration configuration;

    std::string state(const std::string &value, std::uint64_t position = 2)
    {
        return std::string(seal_state(value, {Kind::user, "joe"}, at(position), configuration));
    }
    std::string sealed(const std::string &text) const
    {
        return text + " seal=" + make_seal(configuration.seal_keys, "pm", text);
    }
    void use_keys(char of)
    {
        configuration.seal_keys.current = "k1";
        configuration.seal_keys.keys["k1"] = std::string(min_seal_key_bytes, of);
    }
};

TEST(seal_state, says_whether_the_seal_is_good)
{
    STRCMP_EQUAL("none", state(newer).c_str());
    use_keys('a');
    STRCMP_EQUAL("none", state(newer).c_str());
    const std::string text = sealed(newer);
    STRCMP_EQUAL("good", state(text).c_str());
    use_keys('b');
    STRCMP_EQUAL("bad", state(text).c_str());
    configuration.seal_keys = {};
    STRCMP_EQUAL("unchecked", state(text).c_str());
}

TEST(seal_state, of_two_versions_is_that_of_the_one_that_was_found)
{
    use_keys('a');
    STRCMP_EQUAL("good", state(older + "\n" + sealed(newer), 2).c_str());
    STRCMP_EQUAL("none", state(older + "\n" + sealed(newer), 1).c_str());
}

TEST(seal_state, is_unknown_where_another_record_stands_meanwhile)
{
    STRCMP_EQUAL("unknown", state(older).c_str());
    STRCMP_EQUAL("unknown", state("nonsense").c_str());
    STRCMP_EQUAL("unknown", state("user joe deleted" + pos + "2").c_str());
    STRCMP_EQUAL("unknown", state("user john host=b1" + pos + "2").c_str());
}
