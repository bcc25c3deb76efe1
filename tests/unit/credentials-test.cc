// The files of secrets: credentials and seal keys.
#include "core/credentials.h"

#include <cstdlib>
#include <string>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <CppUTest/TestHarness.h>

using namespace proxymap;

namespace {

Credentials parsed(std::string_view text)
{
    auto credentials = parse_credentials(text, "/etc/c");
    CHECK_TEXT(credentials.ok(), credentials.ok() ? "" : credentials.error().message.c_str());
    return std::move(*credentials);
}

template <typename T> std::string refusal(const Result<T> &result)
{
    CHECK_TEXT(!result.ok(), "taken, but it should have been refused");
    return result.error().message;
}

std::string refused_credentials(std::string_view text)
{
    return refusal(parse_credentials(text, "/etc/c"));
}

std::string refused_keys(std::string_view text)
{
    return refusal(parse_seal_keys(text, "/etc/k"));
}

// 32 bytes: 0, 1, 2 ... 31
constexpr const char *key32 = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

} // namespace

TEST_GROUP(credentials){};

TEST(credentials, a_credential_has_a_master_a_password_and_the_backends_that_it_is_for)
{
    const auto credentials = parsed("credential site {\n master = proxy\n password = \"a # b\"\n"
                                    " backends = b1  b2\n}\n");
    const auto &site = credentials.at("site");
    STRCMP_EQUAL("site", site.name.c_str());
    STRCMP_EQUAL("proxy", site.master.c_str());
    STRCMP_EQUAL("a # b", site.password.c_str());
    LONGS_EQUAL(2, site.backends.size());
    CHECK(site.backends.contains("b1") && site.backends.contains("b2"));
}

TEST(credentials, master_and_backends_may_be_left_out)
{
    const auto credentials = parsed("credential a {\n password = x\n}\n");
    STRCMP_EQUAL("", credentials.at("a").master.c_str());
    CHECK(credentials.at("a").backends.empty());
}

TEST(credentials, a_file_without_credentials_is_allowed)
{
    LONGS_EQUAL(0, parsed("# none yet\n").size());
}

TEST(credentials, a_password_is_needed_and_not_empty)
{
    STRCMP_EQUAL("/etc/c:1: credential a has no password",
                 refused_credentials("credential a {\n master = m\n}\n").c_str());
    STRCMP_EQUAL("/etc/c:2: credential a: password is empty",
                 refused_credentials("credential a {\n password =\n}\n").c_str());
}

TEST(credentials, an_empty_list_of_backends_does_not_mean_all)
{
    CHECK(refused_credentials("credential a {\n password = x\n backends =\n}\n")
              .starts_with("/etc/c:3: credential a: backends names none"));
}

TEST(credentials, what_is_unknown_is_refused)
{
    STRCMP_EQUAL("/etc/c:2: credential a: unknown setting \"pass\": allowed are master, password, "
                 "password_file and backends",
                 refused_credentials("credential a {\n pass = x\n}\n").c_str());
    CHECK(refused_credentials("seal_key a {\n}\n").starts_with("/etc/c:1: unknown section"));
    CHECK(refused_credentials("password = x\n").find("outside of a section") != std::string::npos);
}

TEST(credentials, what_no_login_can_send_is_refused)
{
    refused_credentials("credential a {\n password = \"a\tb\"\n}\n");
    refused_credentials("credential a {\n password = " + std::string(513, 'x') + "\n}\n");
    parsed("credential a {\n password = " + std::string(512, 'x') + "\n}\n");
}

TEST(credentials, no_error_shows_a_password)
{
    for (const std::string text :
         {"credential a {\n password = hunter2#\n}", "credential a {\n password = hunter2\n",
          "credential a {\n password hunter2\n}", "credential a { password = hunter2 }",
          "password = hunter2", "credential a {\n password = hunter2\n password = hunter2\n}",
          "credential a {\n pasword = hunter2\n}", "hunter2"})
        CHECK_TEXT(refused_credentials(text).find("hunter2") == std::string::npos, text.c_str());
}

TEST(credentials, a_seal_key_is_base64_of_at_least_32_bytes)
{
    const auto keys =
        parse_seal_keys("current = k2\nseal_key k1 {\n key = " + std::string(key32) +
                            "\n}\nseal_key k2 {\n key = "
                            "\"////////////////////////////////////////////////\"\n}\n",
                        "/etc/k");
    CHECK_TEXT(keys.ok(), keys.ok() ? "" : keys.error().message.c_str());
    STRCMP_EQUAL("k2", keys->current.c_str());
    std::string expected;
    for (char c = 0; c < 32; c++)
        expected += c;
    CHECK(keys->keys.at("k1") == expected);
    CHECK(keys->keys.at("k2") == std::string(36, '\xff'));
}

TEST(credentials, padding_of_one_two_and_no_bytes_is_read)
{
    for (const std::size_t bytes : {33U, 34U, 35U}) {
        std::string text((bytes + 2) / 3 * 4, 'A');
        for (std::size_t i = 0; i < (3 - bytes % 3) % 3; i++)
            text[text.size() - 1 - i] = '=';
        const auto keys =
            parse_seal_keys("current = k\nseal_key k {\n key = " + text + "\n}\n", "/etc/k");
        CHECK_TEXT(keys.ok(), keys.ok() ? "" : keys.error().message.c_str());
        CHECK(keys->keys.at("k") == std::string(bytes, '\0'));
    }
}

TEST(credentials, a_seal_key_that_was_cut_short_or_is_not_base64_is_refused)
{
    const std::string key = key32;
    auto with = [](const std::string &text) {
        return refused_keys("current = k\nseal_key k {\n key = " + text + "\n}\n");
    };
    STRCMP_EQUAL("/etc/k:3: seal_key k: key has 30 bytes; at least 32 are needed, as `openssl rand "
                 "-base64 32` prints them",
                 with(key.substr(0, 40)).c_str());
    for (const std::string &text :
         {key.substr(0, 43), key + "x", "=" + key.substr(1),
          key.substr(0, 42) + "==", key.substr(0, 20) + "-" + key.substr(21),
          key.substr(0, 20) + "=" + key.substr(21), key.substr(0, 42) + "9="})
        CHECK_TEXT(with(text).find("is not base64") != std::string::npos, text.c_str());
}

TEST(credentials, current_names_a_key_of_the_file)
{
    const std::string key = "seal_key k {\n key = " + std::string(key32) + "\n}\n";
    CHECK(refused_keys(key).find("current = ID is missing") != std::string::npos);
    CHECK(refused_keys("current = other\n" + key).find("/etc/k:1: current names") == 0);
    CHECK(refused_keys("curent = k\n" + key).find("unknown setting \"curent\"") !=
          std::string::npos);
    refused_keys("current = k\n");
    refused_keys("current = k\nseal_key k {\n}\n");
    refused_keys("current = k\nsealkey k {\n}\n");
}

TEST(credentials, no_error_shows_a_seal_key)
{
    const std::string key = std::string(key32).substr(0, 40);
    for (const std::string &text :
         {"current = " + key + "\nseal_key k {\n key = " + key32 + "\n}\n",
          "current = k\nseal_key k {\n key = " + key + "\n}\n",
          "current = k\nseal_key k {\n key = !" + key + "\n}\n"})
        CHECK(refused_keys(text).find(key.substr(0, 20)) == std::string::npos);
}

// A file with this text and mode, for as long as the test.
struct Secret_file {
    Secret_file(const std::string &text, mode_t mode)
    {
        int fd = mkstemp(path);
        LONGS_EQUAL(text.size(), write(fd, text.data(), text.size()));
        LONGS_EQUAL(0, fchmod(fd, mode));
        close(fd);
    }
    ~Secret_file() { unlink(path); }
    char path[40] = "/tmp/proxymap-credentials-XXXXXX";
};

Conf_section credential_section(const std::string &setting, const std::string &value)
{
    Conf_section section;
    section.type = "credential";
    section.name = "site";
    section.entries = {{"master", "proxy"}, {setting, value}};
    return section;
}

TEST(credentials, beside_the_settings_a_credential_names_the_file_of_its_password)
{
    const Secret_file file("a # b\nnot this\n", 0600);
    const auto site = parse_credential(credential_section("password_file", file.path), "settings");
    CHECK_TEXT(site.ok(), site.ok() ? "" : site.error().message.c_str());
    STRCMP_EQUAL("a # b", site->password.c_str());
    STRCMP_EQUAL("proxy", site->master.c_str());
}

TEST(credentials, beside_the_settings_a_password_is_refused)
{
    const auto refused = refusal(parse_credential(credential_section("password", "hush"), "x"));
    CHECK(refused.starts_with("x: credential site: a password does not belong here"));
    CHECK(refused.find("hush") == std::string::npos);
}

TEST(credentials, a_password_file_must_be_secret_and_hold_a_password)
{
    const Secret_file open("x\n", 0640);
    const Secret_file empty("\n", 0600);
    const Secret_file tab("a\tb\n", 0600);
    for (const char *path : {open.path, empty.path, tab.path, "/nonexistent", "x"})
        refusal(parse_credential(credential_section("password_file", path), "x"));
    CHECK(
        refused_credentials(std::string("credential a {\n password_file = ") + open.path + "\n}\n")
            .find("chmod 0600") != std::string::npos);
}

TEST(credentials, a_credential_has_one_password)
{
    const Secret_file file("x\n", 0600);
    refused_credentials(
        "credential a {\n password = y\n password_file = " + std::string(file.path) + "\n}\n");
    refused_credentials("credential a {\n password_file = " + std::string(file.path) +
                        "\n password = y\n}\n");
}

TEST(credentials, a_file_that_others_can_read_is_refused)
{
    char path[] = "/tmp/proxymap-credentials-XXXXXX";
    int fd = mkstemp(path);
    const std::string credential = "credential a {\n password = x\n}\n";
    LONGS_EQUAL(credential.size(), write(fd, credential.data(), credential.size()));
    CHECK(read_credentials(path).ok());
    LONGS_EQUAL(0, fchmod(fd, 0640));
    close(fd);
    CHECK(refusal(read_credentials(path)).find("chmod 0600") != std::string::npos);
    CHECK(refusal(read_seal_keys(path)).find("chmod 0600") != std::string::npos);
    unlink(path);
    CHECK(refusal(read_credentials(path)).find("No such file") != std::string::npos);
}
