// Reading a policy's files: which are read, which are refused, and what the error names.
#include "login-proxy-ext/policy_files.h"

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include <sys/stat.h>

#include <CppUTest/TestHarness.h>

using namespace proxymap;

TEST_GROUP(policy_files)
{
    std::string folder;
    Tls_policy policy;

    void setup() override
    {
        char path[] = "/tmp/policy-files-XXXXXX";
        folder = mkdtemp(path);
        policy.name = "strict";
    }
    void teardown() override
    {
        std::filesystem::remove_all(folder);
    }

    std::string write(const std::string &name, const std::string &bytes, mode_t mode = 0644)
    {
        const std::string path = folder + "/" + name;
        std::ofstream(path) << bytes;
        chmod(path.c_str(), mode);
        return path;
    }

    std::string refusal()
    {
        const Result<Policy_files> files = read_policy_files(policy);
        CHECK(!files.ok());
        return files.error().message;
    }
};

TEST(policy_files, each_file_is_read_as_it_is)
{
    policy.ca_file = write("ca", "the CA");
    policy.crl_file = write("crl", "the CRL");
    policy.certificate_file = write("cert", "the certificate");
    policy.key_file = write("key", "the key", 0600);
    const Result<Policy_files> files = read_policy_files(policy);
    CHECK(files.ok());
    STRCMP_EQUAL("the CA", files->ca.c_str());
    STRCMP_EQUAL("the CRL", files->crl.c_str());
    STRCMP_EQUAL("the certificate", files->certificate.c_str());
    STRCMP_EQUAL("the key", files->key.c_str());
}

TEST(policy_files, a_policy_without_files_reads_none)
{
    const Result<Policy_files> files = read_policy_files(policy);
    CHECK(files.ok());
    CHECK(files->ca.empty() && files->crl.empty() && files->certificate.empty() &&
          files->key.empty());
}

TEST(policy_files, an_error_names_policy_setting_and_file)
{
    policy.ca_file = folder + "/none";
    const std::string expected = "tls_policy strict: ca_file: " + policy.ca_file +
                                 ": cannot open: No such file or directory";
    STRCMP_EQUAL(expected.c_str(), refusal().c_str());
    policy.ca_file = folder;
    CHECK(refusal().ends_with("not a regular file"));
    policy.ca_file = "";
    policy.crl_file = write("empty", "");
    const std::string empty = "tls_policy strict: crl_file: " + policy.crl_file + " is empty";
    STRCMP_EQUAL(empty.c_str(), refusal().c_str());
}

TEST(policy_files, a_key_that_others_may_read_is_refused)
{
    policy.certificate_file = write("cert", "the certificate");
    for (mode_t mode : {0640, 0604, 0620}) {
        policy.key_file = write("key", "the key", mode);
        const std::string error = refusal();
        CHECK_TEXT(error.starts_with("tls_policy strict: key: " + policy.key_file), error.c_str());
        CHECK_TEXT(error.find("0600") != std::string::npos, error.c_str());
    }
}

TEST(policy_files, a_file_that_two_policies_name_is_read_once)
{
    Tls_policy other;
    other.name = "other";
    policy.ca_file = other.ca_file = write("ca", "the CA");
    Kept_files kept;
    kept.hold(policy);
    write("ca", "another CA");
    kept.hold(other);
    STRCMP_EQUAL("the CA", kept.files_of(policy)->ca.c_str());
    STRCMP_EQUAL("the CA", kept.files_of(other)->ca.c_str());
}

TEST(policy_files, a_large_file_is_read_when_it_is_needed_from_what_was_there_before)
{
    const std::string bundle(200'000, 'x');
    policy.ca_file = write("ca", bundle);
    Kept_files kept;
    kept.hold(policy);
    write("other", "another CA");
    LONGS_EQUAL(0, std::rename((folder + "/other").c_str(), policy.ca_file.c_str()));
    for (int i = 0; i < 2; i++)
        CHECK(kept.files_of(policy)->ca == bundle);
    LONGS_EQUAL(0, std::remove(policy.ca_file.c_str()));
    const Kept_files moved(std::move(kept));
    CHECK(moved.files_of(policy)->ca == bundle);
}

TEST(policy_files, a_file_that_is_certificate_and_key_is_judged_as_a_key)
{
    policy.certificate_file = policy.key_file = write("both", "the certificate and the key", 0644);
    CHECK(refusal().find("tls_policy strict: key: ") == 0);
}

TEST(policy_files, a_file_that_was_not_read_is_an_error)
{
    policy.ca_file = write("ca", "the CA");
    CHECK(!Kept_files().files_of(policy).ok());
}
